use std::time::Duration;

use dunlin_stack::{Function, LogFormat, LogLevel, Logging, Stack};

use crate::{notes, parse, refusal};

/// A function with these properties, and others to send to.
fn template(properties: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Runtime: provided.al2023
{}
  Other: {{Type: 'AWS::Lambda::Function', Properties: {{Code: o, Runtime: provided.al2023}}}}
  Dead: {{Type: 'AWS::SQS::Queue', Properties: {{QueueName: dead}}}}
  Topic: {{Type: 'AWS::SNS::Topic'}}
",
        properties.lines().map(|line| format!("      {line}\n")).collect::<String>()
    )
}

fn function(stack: &Stack) -> &Function {
    stack.function("dunlin-Function").unwrap()
}

const DEAD: &str = "arn:aws:sqs:us-east-1:123456789012:dead";

#[test]
fn defaults() {
    let stack = parse(&template(""));
    let function = function(&stack);
    assert_eq!(function.reserved_concurrency, None);
    assert_eq!((function.event_retries, function.event_age_max), (2, Duration::from_secs(6 * 60 * 60)));
    assert_eq!((&function.on_success, &function.on_failure, &function.dead_letters), (&None, &None, &None));
    let log_group = "/aws/lambda/dunlin-Function".to_owned();
    let text = LogFormat::Text;
    assert_eq!(
        function.logging,
        Logging { format: text, application_level: None, system_level: None, log_group }
    );
    let [queue] = stack.queues.as_slice() else { panic!("{:?}", stack.queues) };
    assert_eq!((queue.name.as_str(), queue.arn.as_str()), ("dead", DEAD));
    assert_eq!(queue.url, "https://sqs.us-east-1.amazonaws.com/123456789012/dead");
}

#[test]
fn everything_set() {
    let stack = parse(&template(
        "\
ReservedConcurrentExecutions: 0
DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}
EventInvokeConfig:
  MaximumRetryAttempts: 0
  MaximumEventAgeInSeconds: 60
  DestinationConfig:
    OnSuccess: {Type: Lambda, Destination: !GetAtt Other.Arn}
    OnFailure: {Type: SQS}
LoggingConfig:
  LogFormat: JSON
  ApplicationLogLevel: DEBUG
  SystemLogLevel: WARN
  LogGroup: own",
    ));
    assert_eq!(notes(&stack), [""; 0]);
    let function = function(&stack);
    assert_eq!(function.reserved_concurrency, Some(0));
    assert_eq!((function.event_retries, function.event_age_max), (0, Duration::from_secs(60)));
    assert_eq!(
        function.on_success.as_deref(),
        Some("arn:aws:lambda:us-east-1:123456789012:function:dunlin-Other")
    );
    // SAM makes a queue for a destination that names none.
    let made = "dunlin-FunctionEventInvokeConfigOnFailureQueue";
    assert_eq!(
        function.on_failure.as_deref(),
        Some(format!("arn:aws:sqs:us-east-1:123456789012:{made}").as_str())
    );
    assert!(stack.queues.iter().any(|queue| queue.name == made));
    assert_eq!(function.dead_letters.as_deref(), Some(DEAD));
    assert_eq!(stack.dead_letter_queues().into_iter().collect::<Vec<_>>(), ["dead", made]);
    assert_eq!(function.logging.format, LogFormat::Json);
    assert_eq!(function.logging.application_level, Some(LogLevel::Debug));
    assert_eq!(function.logging.system_level, Some(LogLevel::Warn));
    assert_eq!(function.logging.log_group, "own");
}

#[test]
fn a_plain_function_is_configured_by_resources() {
    let stack = parse(
        "
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Code: f
      Runtime: provided.al2023
      DeadLetterConfig: {TargetArn: !GetAtt Dead.Arn}
  Dead: {Type: 'AWS::SQS::Queue', Properties: {QueueName: dead}}
  Config:
    Type: AWS::Lambda::EventInvokeConfig
    Properties:
      FunctionName: !Ref Function
      Qualifier: $LATEST
      MaximumRetryAttempts: 1
      DestinationConfig: {OnFailure: {Destination: !GetAtt Dead.Arn}}
",
    );
    let function = function(&stack);
    assert_eq!((function.event_retries, function.event_age_max), (1, Duration::from_secs(6 * 60 * 60)));
    assert_eq!((function.on_failure.as_deref(), function.dead_letters.as_deref()), (Some(DEAD), Some(DEAD)));
}

#[test]
fn destinations_that_get_nothing_here_are_noted() {
    let stack = parse(&template(
        "\
DeadLetterQueue: {Type: SNS, TargetArn: !Ref Topic}
EventInvokeConfig:
  DestinationConfig:
    OnSuccess: {Type: EventBridge, Destination: 'arn:aws:events:us-east-1:123456789012:event-bus/default'}
    OnFailure: {Type: SNS}",
    ));
    assert_eq!(
        notes(&stack),
        [
            "line 8: a destination of kind sns gets nothing here (Function, FunctionEventInvokeConfig)",
            "line 11: a destination of kind events gets nothing here (FunctionEventInvokeConfig)"
        ]
    );
}

#[test]
fn refused() {
    for (properties, expected) in [
        (
            "ReservedConcurrentExecutions: -1",
            "8: ReservedConcurrentExecutions of Function is -1; it must be a whole number from 0 to 4294967295",
        ),
        ("DeadLetterQueue: {Type: SQS}", "8: Function has no TargetArn; DeadLetterQueue needs one"),
        ("DeadLetterQueue: x", "8: DeadLetterQueue of Function is a text; it must be a mapping"),
        (
            "EventInvokeConfig: {MaximumRetryAttempts: 3}",
            "8: MaximumRetryAttempts of FunctionEventInvokeConfig is 3; it must be a whole number from 0 to 2",
        ),
        (
            "EventInvokeConfig: {MaximumEventAgeInSeconds: 59}",
            "8: MaximumEventAgeInSeconds of FunctionEventInvokeConfig is 59; it must be a whole number from 60 to 21600",
        ),
        ("EventInvokeConfig: [a]", "8: EventInvokeConfig of Function must be a mapping, written out"),
        ("LoggingConfig: {LogFormat: json}", "8: LogFormat of Function is json; it must be Text or JSON"),
        (
            "LoggingConfig: {ApplicationLogLevel: INFO}",
            "8: ApplicationLogLevel of Function works with LogFormat JSON only",
        ),
        (
            "LoggingConfig: {LogFormat: JSON, SystemLogLevel: TRACE}",
            "8: SystemLogLevel of Function is TRACE; it must be one of DEBUG, INFO, WARN",
        ),
    ] {
        assert_eq!(refusal(&template(properties)), expected, "{properties}");
    }
}

#[test]
fn a_function_is_configured_once() {
    let config = |id: &str| {
        format!(
            "  {id}:\n    Type: AWS::Lambda::EventInvokeConfig\n    Properties: {{FunctionName: !Ref Function, Qualifier: \
             $LATEST}}\n"
        )
    };
    let text = format!("{}{}{}", template(""), config("A"), config("B"));
    assert_eq!(
        refusal(&text),
        "17: FunctionName of B is dunlin-Function, which A configures already; remove one"
    );
}

#[test]
fn queues() {
    let queue = |properties: &str| {
        format!("Resources:\n  Q: {{Type: 'AWS::SQS::Queue', Properties: {{{properties}}}}}\n")
    };
    assert_eq!(parse(&queue("FifoQueue: true, QueueName: q.fifo")).queues[0].name, "q.fifo");
    assert_eq!(parse(&queue("")).queues[0].name, "dunlin-Q");
    assert_eq!(
        refusal(&queue("QueueName: 'a b'")),
        "2: QueueName of Q is \"a b\"; a name has 1 to 80 of A-Za-z0-9-_"
    );
    assert_eq!(
        refusal(&queue("FifoQueue: true, QueueName: q")),
        "2: QueueName of Q is \"q\"; a name has 1 to 80 of A-Za-z0-9-_ and ends with .fifo"
    );
}
