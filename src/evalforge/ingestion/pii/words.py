"""Words that are known to name no person: kinds, roles, labels of managed evaluations, classes of errors."""

import builtins


def words(text: str) -> frozenset[str]:
    """The words between the white space."""
    return frozenset(text.split())


SPAN_KINDS = words("llm agent workflow tool task embedding retrieval experiment step unknown")
STATUSES = words("ok error unset")
METRIC_TYPES = words("categorical score boolean json text")
ASSESSMENTS = words("pass fail")
EVALUATION_STATUSES = words("ok warn error")
ROLES = words("user assistant system tool function developer model human ai") | {""}
TOOL_TYPES = words(
    """function function_call function_call_output custom custom_tool_call tool tool_use tool_call tool_result
    server_tool_use mcp mcp_call code_interpreter computer_use file_search web_search"""
) | {""}
PART_TYPES = TOOL_TYPES | words(
    """text input_text output_text refusal image image_url input_image audio input_audio file input_file thinking
    redacted_thinking reasoning reasoning_text summary_text document json_object json_schema object array string
    number integer boolean null"""
)
LANGUAGES = words("python javascript nodejs typescript java kotlin go dotnet csharp ruby php rust jvm c++")
SOURCES = words("llm-observability integration sdk otel opentelemetry manual api annotated automatic auto")
FLAGS = words("0 1 true false")
FINISH_REASONS = words(
    """stop length tool_calls content_filter function_call end_turn max_tokens stop_sequence tool_use refusal
    pause_turn safety recitation error guardrail_intervened content_filtered"""
)
EFFORTS = words("none minimal low medium high xhigh auto")
ITEM_TYPES = words("span spans")

MANAGED_EVALUATIONS: dict[str, frozenset[str]] = {
    "failure_to_answer": frozenset(
        {"answered", "failed to answer", "empty response", "refusal response", "empty code response"}
        | {"no content response", "redirection response"}
    ),
    "hallucination": frozenset({"hallucination found", "no hallucination", "no hallucination found"})
    | {"hallucination not found", "contradiction", "unsupported claim"},
    "prompt_injection": frozenset({"found", "not found", "simple instruction", "code injection"})
    | {"context switching", "jailbreak"},
    "input_toxicity": frozenset({"toxic", "not toxic", "non-toxic"}),
    "output_toxicity": frozenset({"toxic", "not toxic", "non-toxic"}),
    "input_sentiment": words("positive neutral negative"),
    "output_sentiment": words("positive neutral negative"),
    "topic_relevancy": words("relevant irrelevant"),
    "language_mismatch": words("matched mismatched"),
}
"""Labels that Datadog documents for its managed evaluations (docs: Managed Evaluations; Querying), in lower case."""

ERROR_TYPES = frozenset(
    name for name, member in vars(builtins).items() if isinstance(member, type) and issubclass(member, BaseException)
) | words(
    """APIError APIStatusError APIConnectionError APITimeoutError APIResponseValidationError AuthenticationError
    BadRequestError ConflictError
    ContentFilterFinishReasonError InternalServerError LengthFinishReasonError NotFoundError
    PermissionDeniedError RateLimitError UnprocessableEntityError OverloadedError ServiceUnavailableError
    DeadlineExceededError RequestTooLargeError InvalidRequestError OpenAIError AnthropicError ContextWindowExceededError
    ContentPolicyViolationError BudgetExceededError
    MaxTurnsExceeded ModelBehaviorError UserError InputGuardrailTripwireTriggered OutputGuardrailTripwireTriggered
    ToolInputGuardrailTripwireTriggered ToolOutputGuardrailTripwireTriggered ToolTimeoutError GuardrailTriggered
    AIGuardAbortError AIGuardClientError AIGuardError
    HTTPError HTTPStatusError RequestError TransportError TimeoutException ConnectTimeout ReadTimeout WriteTimeout
    PoolTimeout ConnectError ReadError WriteError CloseError NetworkError ProtocolError LocalProtocolError
    RemoteProtocolError ProxyError UnsupportedProtocol DecodingError TooManyRedirects InvalidURL StreamError
    RequestException Timeout SSLError ChunkedEncodingError ContentDecodingError RetryError MaxRetryError
    NewConnectionError ConnectTimeoutError ReadTimeoutError IncompleteRead RemoteDisconnected ResponseError
    ClientError BotoCoreError EndpointConnectionError NoCredentialsError ParamValidationError ConnectionClosedError
    ThrottlingException ValidationException AccessDeniedException ModelTimeoutException ModelErrorException
    ModelNotReadyException ResourceNotFoundException ServiceQuotaExceededException ServiceUnavailableException
    InternalServerException ModelStreamErrorException
    ClientConnectorError ClientConnectionError ClientResponseError ClientPayloadError ServerDisconnectedError
    ServerTimeoutError ContentTypeError
    OutputParserException LangChainException TracerException ToolException GraphRecursionError GraphInterrupt
    NodeInterrupt InvalidUpdateError EmptyInputError
    ValidationError JSONDecodeError PydanticUserError UnexpectedModelBehavior UsageLimitExceeded ModelRetry
    ModelHTTPError FallbackExceptionGroup InstructorRetryException
    CancelledError InvalidStateError QueueEmpty QueueFull BrokenProcessPool BrokenExecutor
    gaierror herror SSLCertVerificationError SSLZeroReturnError error
    GoogleAPIError GoogleAPICallError ResourceExhausted DeadlineExceeded
    InvalidArgument PermissionDenied Unauthenticated
    ServiceUnavailable TooManyRequests InternalServerError BadGateway GatewayTimeout NotFound Forbidden Unauthorized
    BadRequest Conflict Aborted Cancelled Unknown RpcError AioRpcError BlockedPromptException StopCandidateException
    DatabaseError IntegrityError OperationalError ProgrammingError InterfaceError DataError NotSupportedError
    SQLAlchemyError NoResultFound MultipleResultsFound DBAPIError BusyLoadingError ResponseValidationError
    Error RangeError AbortError FetchError AxiosError AI_APICallError AI_RetryError AI_NoObjectGeneratedError
    AI_InvalidToolArgumentsError AI_NoSuchToolError ZodError UnhandledPromiseRejection
    Exception Throwable NullPointerException IllegalArgumentException IllegalStateException IOException
    SocketTimeoutException UnknownHostException ConnectException InterruptedException ExecutionException
    ClassCastException IndexOutOfBoundsException HttpTimeoutException
    McpError ToolError"""
)
"""Python's own exceptions, and the classes of the SDKs and HTTP clients that LLM applications are made of."""

ERROR_MODULES = words(
    """builtins __main__ openai _exceptions exceptions error errors anthropic httpx httpcore requests urllib3 http
    client
    botocore boto3 concurrent futures asyncio json decoder socket ssl queue process langchain langchain_core langgraph
    langchain_openai langchain_anthropic tools base output_parsers pydantic pydantic_core _pydantic_core pydantic_ai
    instructor ddtrace llmobs appsec ai_guard aiohttp client_exceptions google api_core generativeai genai grpc _channel
    aio _call tenacity sqlalchemy exc sqlite3 psycopg psycopg2 redis pymongo litellm agents guardrail tool _errors
    mistralai cohere core java lang util io net bedrock bedrock_agents _utils integrations mcp shared fastmcp"""
)
"""Parts of module names that those classes live in; any other module is left out of an error's type."""

NO_NAMES = words(
    """
    admin administrator agent anonymous api app assistant bot client customer default demo developer example
    false guest human model name none null nobody operator owner person private prod production public redacted root
    service staging support system test tester the true undefined unknown user username users
    mr mrs ms miss dr prof sir madam and withheld truncated
    """
)
"""Values of fields that would name somebody, and do not; and words beside a name that are none."""
SIGN_IN = words(
    """
    apikey api_key basic bearer digest disabled enabled false iam jwt kerberos mtls negotiate none ntlm null oauth
    oauth1 oauth2 oidc optional required saml sso token true
    """
)
"""What stands under the key `auth` and is no secret: a way to sign in, or whether one is asked for."""
TECHNICAL = words(
    """
    aes amd anthropic api arm array ascii async audio aws azure backbone base bash bearer bedrock bert binary bin bool
    bucket buffer byte bytes cert chunk class claude cli cmd code codec column commit conda config const container
    context cookie core cpu cron crypto css csv curl data dataset datetime date debugger decoder deepseek default
    dev dict django dns docker docs embedding encoder encoding endpoint enum env error etl event exe export fastapi file
    files flask float folder format framework ftp function gemini gemma git github gitlab golang google gpt gpu graph
    graphql grpc handler hash header headers helm hook host html http https image images index init input instance
    int ip ipv iso java javascript job jobs json jupyter jwt kernel lambda langchain langgraph latin layer lib library
    linux list llama llm loader log logs loop main map markdown memory message messages metadata method metric metrics
    middleware mistral mobile mock model models module mongo mongodb mysql neo nginx node nodejs npm null nvidia
    oauth object openai oracle output package packages param params parser path pdf php phi pod poller port post
    postgresql process program prompt protocol pub py pytest python pytorch qwen rag ram record records redis regex
    region regression repo repository request requests response rest result results retriever root route routes row
    rows rpc rsa rust schema script sdk select self server set sha shard slack smtp snowflake socket spider sql sqlite
    ssh ssl stack stage stderr stdin stdout step string struct sub svc svg swagger sync syntax system table tag tags
    tail tcp tensor tensorflow terraform test tests text thread threads time timeout timestamp tls tmp topic torch trace
    txt type types typescript uint unicode unit unix uri url urls utc utf util utils uuid validator value values var
    variable vector version video view vision vm vue web webapp win windows xml yaml yml zip zookeeper
    """
)
"""Of programs and formats, and as such in texts, also with a few digits behind them (`python3`, `sha256`)."""
NO_IDS = (
    NO_NAMES
    | TECHNICAL
    | words(
        """
    account action active admins alpha analyst analytics android answer automation backend backup basic batch billing
    browser build builder buyer cache caller checkout cloud cluster company console consumer control crawler cronjob
    daemon dashboard database debug demouser deploy device domain editor email empty engine error events external
    finance frontend gateway global group guests health hidden import index insight integration internal jenkins
    kafka kubernetes local localhost login logger machine mailer manager marketing master member mobile monitor
    network notebook number office order orders partner pipeline platform playground plugin postgres premium primary
    process producer project proxy python query queue reader redis release remote report reports request research
    reviewer robot router runner sales sample sandbox scanner scheduler script search secondary security seller sender
    server services session shared shell shopper signup simulator source spark standard status storage store stream
    student studio subscriber super superuser survey sysadmin task tasks teacher team template tenant testing testuser
    token tools trace tracker training transfer trial trusted ubuntu upload vendor viewer visitor webhook website
    widget worker workers workflow writer

    about access address adviser advisor after again agents alert alerts all analysis analytic annotation another
    answers any application apps archive area article articles assistants assets asset auditor audit auth author auto
    available back background balance bank best beta big blank blog body bots bottom box bulk bus business button buy
    calendar call calls campaign care cart catalog catalogue category center central chain change channel chat
    chatbot chats check checker claim claims classifier clean cleaner clear click clients close collection collector
    command comment commerce common community compliance component connection connector contact contacts content
    contract control controller conversation conversations copy corp count country course create creator credit crm
    current custom customers daily day days delete delivery demos department design designer desk desktop detail details
    detection detector developers device devices devops digital direct director discovery dispatcher display
    distribution document documents domain done down download draft drive driver dummy dynamic ecommerce edge edit
    education email emails employee employees end engineer engineering engineers enterprise entity entry
    environment erp eval evaluation evaluations evaluator every example examples executor experiment expert explorer
    extension extractor factory false faq feature features feed feedback fetch fetcher field filter final find
    finder first fixture flow follow foo form forms forum found free fraud full game games gateways general generator
    generic get good graphs guard guardrail guests guide hello helpdesk help helper here high history home hotel
    hour hours house human humans identity incident info information ingest ingestion inner inbox inventory invoice
    invoices issue item items key keys kiosk knowledge lab label labels lake language last launch lead leads
    learning legal level light line link linked listener live load loading local locale location lock lookup low mail
    maintenance management map market marketplace math max media medical meeting member members memo menu merchant
    merge meta mini minimal mode monthly moderation moderator month more multi music name names native net new
    news newsletter next night nobody none normal not note notes notification notifications notifier number
    numbers office online only open operation operations operator ops option options orchestrator ordering
    organization other outer outlook owner page pages parent part partners party pass password patient payment payments
    payroll people person phase phone photo picker pilot ping place plan planner planning planning play player point
    policy pool portal position preview price pricing print printer privacy private processing processor
    procurement product production products profile profiler programs projects provider providers publisher
    purchase purchasing push quality question questions quick quote random rate raw react reading ready real
    recommendation recommender recorder recruiter recruiting refund regional register registry relay release
    reminder render renderer reply reporting reservation reset resolver resource resources responder retail return
    returns review reviews rewriter risk role roles room rule rules run safe safety sale save saver scan schedule school
    science scientist scientists score scorer screen sdr searcher section segment send sensor sentiment service services
    sessions settings setup shared shipping shop shopping show sign silver simple single site sites size slot small
    smart social software solution some something source space speech split staff stage star start state states static
    statistics stats stop store stores style subject submit success suggestion suite summarizer summary supervisor
    supplier supply surface switch synthetic syncer tab talk target tax team teams tech technical technology
    telegram telemetry template tenants term terminal tester things third this thread ticket tickets timer today
    todo top total tour tracking trade trader traffic trainer trainee training transaction transactions transcriber
    transformer translation translator transport travel tree trigger triage true turn tutor undefined unit
    universal unread update updater upgrade user users utility valid validation variant vault verifier via view viewers
    visitors voice volume wallet warehouse watch watcher weather week weekly welcome whatsapp what when where which
    white who wiki wizard word words work workspace workspaces world writing wrong year yes your zone
    """
    )
)
"""Words in ids that programs and groups have, and that texts are full of; those of one word say nothing."""
SESSION_WORDS = words("session sessions sessionid sid conversation conversations thread threads threadid chat chats")
"""Beside a number they say that it is the id of one."""
SHORT_WORDS = words(
    """
    ai am an as at be by db do el eu go he hi hr id if in io ip is it la le ma me ml my no of oh ok on or os pa pc pm pr
    qa re so th to tv ui uk un up us vs we yo
    """
)
"""Of two letters, that are no names when written with a capital."""
COMMON_NAMES = words(
    """
    ace amber angel april art ash august autumn baker banks bay best bill bird bishop black blue bob bond booker bow
    boss branch brand bridge bright brook brooks brown buck bud burns bush butler can carpenter carter case cash chance
    chase chip christian church clay clerk cliff coin cole cook cooper cross crystal dale dawn day dean dell der del den
    destiny dick dollar don drake drew duke earl early east eve even faith farmer field fields fisher ford forest foster
    fox frank french friend gay gene glass good gold golden grace grant gray green guy hall hand harmony hill holiday
    holly honor hope house hunt hunter ivy jack jade jasmine jay jean jenkins jewel job joy judge june
    justice kafka key keys king knight lake lane law lee liberty lily little long lord love low lucky major man
    march mark marsh marshal mason
    matt max may melody mercy miles mill miller miner misty moon more moss new nick noble north oak olive page parish
    park parker pat patience paul pearl penny person pet piper plum pond pope porter potter power price prince prosper
    prudence queen ram randy ray read reed rich river rivers rob robin rock rod rose ruby rush sage sally sandy say
    scout sea season shepherd short sky small smith song spring star stark sterling stone storm strong sue summer sun
    sunny sweet swift tab taylor temple tiffany tom trinity tucker turner tyler van victor violet von wade walker wall
    walls ward warren waters way weaver webb wells west white wild will winter wise wolf wood woods worth wright young
    """
)
"""Names that are words of the language too: written small they are taken for the words."""
