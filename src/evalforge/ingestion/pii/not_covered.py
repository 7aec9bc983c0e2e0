"""What redaction does not find, in the words of the README and of `evalforge doctor`: one list for both."""

WITHOUT_NER = (
    "names of people in running text that no field of the trace tells and that nothing introduces (`my name is`, a "
    "sign-off, a name before an e-mail address), unless `EVALFORGE_NER=on`",
    "with `EVALFORGE_NER=on`: about a fourth of the full names in English text, most first names on their own, names "
    "written in capitals or in small letters, and most names in texts of other languages",
)
"""The first holds without the model for names, the second with it."""
ALWAYS = (
    "of more than 100 names that the spans of a trace tell, those beyond in the texts of spans that do not tell them",
    "what only the root tells, until a run has read the context of the trace; and where a text names them, ids that "
    "are short or common words, also with a digit behind them (`order1`), users' of under 7 digits and no letter, and "
    "sessions' without a digit, or of under 10 digits that no word such as `session` stands beside",
    "a password without a digit that a field tells, of under 8 characters or of two or three words, where no key or "
    "word beside it says what it is",
    "postal addresses in running text, but for those of a few countries that have a number and a postcode or a word "
    "for a street",
    "who somebody is by description: an employer, a town, a job, an age, a date that no word calls a birthday",
    "numbers that no format, check digit or word beside them gives away, such as the national ids of many countries",
    "what is spelt backwards, spaced out or put in words, and what hides it on purpose beyond the usual encodings",
    "what is cut over pieces of a stream of which one has more than 200 characters, and an encoded text of a few "
    "characters (under 14 of Base64, under 20 of hex), which is taken for an id",
    "what pictures, recordings and files show that a text links to (those inside a span are replaced whole)",
)


def not_covered(*, names: bool) -> tuple[str, ...]:
    """What stays in texts that are redacted, with (`names`) or without the model for names."""
    return (WITHOUT_NER[names], *ALWAYS)
