"""Words that are written with a capital where a name could stand, and are none; and the small words inside of names."""

from evalforge.ingestion.pii.words import words

PARTICLES = words("al bin da das de del della der di do dos du el ibn la le ten ter van von y zu")

_NEVER_NAMES = words(
    """
    admin agent all api app assistant azure chat check claude client cloud code customer data date day dear
    developer email error everyone false friday google gpt help info issue keyboard language manager message
    microsoft model monday name new note number openai order page payment phone product production reference report
    request response saturday sender service state subject sunday support system team test thank thanks there
    thursday time token total tuesday type unable unknown update url user web wednesday welcome you
    """
)

NO_INTRODUCED_NAMES = _NEVER_NAMES | words(
    """
    a about access account address advance again ai alert also always am amazon an and any apple are as at available
    aware back bank bearer because best bot but by call can card case city company confused contact copilot country
    credit currently deal delivery department desk director done engineer english every excited fine first for
    french from german glad go going gone good great guest happy have he head hello here hi how i id if in inquiry
    interested invoice is it item its just last llm looking may me month more my next no not now of ok on one only
    operations or our out outlook owner person please point power ready regards sales see sent she so sorry staff
    street student sure that the their then they this to today tomorrow trying use very visa waiting we website week
    what when where which who why will with wondering word work working works year yes your
    """
)
"""What may follow words that introduce a name, as a sentence goes on."""

NO_PROSE_NAMES = _NEVER_NAMES | words(
    """
    abort action adapter alpha analytics apache append application april argument array august auth authentication
    backend badge beta blob block boolean branch bug build builder bus button cache calling caution character
    checkpoint class cli cluster coding colleague colleagues column command commit complete completion config
    configuration console container context controller convert copy count coverage create daily dashboard database
    dataset debug december default delay delete demo deploy deployment description design desktop detected dialog
    dict digest directory django docker document documentation documents download downloads edge editor element
    endpoint engine enter entity environment errors event example exception export extension failed failure fatal
    feature february field file files filter fix flask folder folks format found framework friend friends function
    gateway gemini general gentlemen get git github gitlab global graph group guide handler header health hiring
    history home host html http image import index initialize input insert install instance instructions interface
    internal internet interrupt introduction invalid january java javascript job json july june kafka kernel key
    kubernetes label ladies lambda launch layer learning level library license line link linux list llama load local
    log logger logging login logs loop machine madam mail main march markdown markup meaning memory menu merge
    metadata method metrics miss mister mistral mode module mongo monitor mypy namespace native network node notes
    notice november object october online open operation operator option options output package parameter parse
    parser password path pattern performance pipeline platform plugin policy port post postgres prefix premium print
    private process processor profile program project prompt properties property protocol provider proxy public pull
    push pypi pytest python query queue quick raise rate read reader record redirect redis region register release
    remote remove render repository requests required reset resource rest result results retry return returns review
    rich role root route router row rule run runtime rust safety sample save schema scope script sdk search section
    security select september server session set settings setup shell show sir sirs site slack software sort source
    space span spark sql stack stage standard start status step stop storage store stream string studio style submit
    suite summary switch sync syntax tab table tag task tensor terminal terraform tests text theme thread ticket
    timeout title tool tools topic trace tracer tracing transaction transform true tutorial twitter types ubuntu
    undefined unicode union unix upgrade upload usage users utils valid value valued values variable vector verify
    version video view virtual visual warning webhook widget windows workflow workspace world write writer xml yaml
    """
)
"""What a model takes for a part of a name: words of interfaces, logs and documents, days and months. First names
among such words (April, June) are not found; what a field of the trace names is found all the same."""
