"""A server that gives the same answer to each question by its path alone, whoever asks; 404 for any other."""

from collections.abc import Mapping

from helpers.fake_datadog import Answer, FakeDatadog, Request, reply


class PlainServer(FakeDatadog):
    """`answers` by path; see `helpers.fake_datadog` for what makes them."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__()
        self._answers = answers

    def _answer(self, request: Request) -> Answer:
        return self._answers.get(request.path) or reply(404, {"errors": ["Not found"]})
