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
