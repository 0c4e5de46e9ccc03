use dunlin_stack::{RepublishHeaders, RuleAction};

use crate::{parse, refusal};

/// A rule with this payload, and what its actions may name.
fn template(payload: &str) -> String {
    format!(
        "
Resources:
  Rule:
    Type: AWS::IoT::TopicRule
    Properties:
      TopicRulePayload:
{}
  Function: {{Type: 'AWS::Lambda::Function', Properties: {{Code: f, Runtime: provided.al2023}}}}
  Dead: {{Type: 'AWS::SQS::Queue', Properties: {{QueueName: dead}}}}
  Logs: {{Type: 'AWS::Logs::LogGroup', Properties: {{LogGroupName: /rules/all}}}}
  Role: {{Type: 'AWS::IAM::Role'}}
",
        payload.lines().map(|line| format!("        {line}\n")).collect::<String>()
    )
}

#[test]
fn every_action() {
    let stack = parse(&template(
        "\
Sql: SELECT * FROM 'a'
Actions:
  - Lambda: {FunctionArn: !GetAtt Function.Arn}
  - Republish: {Topic: '${topic()}/out', Qos: 1, RoleArn: !GetAtt Role.Arn}
  - Republish:
      Topic: other
      RoleArn: !GetAtt Role.Arn
      Headers: {ContentType: text/plain, UserProperties: [{Key: a, Value: b}]}
  - CloudwatchLogs: {LogGroupName: !Ref Logs, RoleArn: !GetAtt Role.Arn, BatchMode: true}
  - Sqs: {QueueUrl: !Ref Dead, RoleArn: !GetAtt Role.Arn, UseBase64: true}
ErrorAction:
  Sqs: {QueueUrl: !GetAtt Dead.QueueUrl, RoleArn: !GetAtt Role.Arn}",
    ));
    assert_eq!(stack.notes, []);
    let [rule] = stack.rules.as_slice() else { panic!("{:?}", stack.rules) };
    let queue_url = "https://sqs.us-east-1.amazonaws.com/123456789012/dead".to_owned();
    let none = RepublishHeaders::default();
    let headers = RepublishHeaders {
        content_type: Some("text/plain".to_owned()),
        user_properties: vec![("a".to_owned(), "b".to_owned())],
        ..none.clone()
    };
    assert_eq!(
        rule.actions,
        [
            RuleAction::Lambda { function: "dunlin-Function".to_owned() },
            RuleAction::Republish { topic: "${topic()}/out".to_owned(), qos: 1, headers: none },
            RuleAction::Republish { topic: "other".to_owned(), qos: 0, headers },
            RuleAction::CloudwatchLogs { log_group: "/rules/all".to_owned(), batch: true },
            RuleAction::Sqs { queue_url: queue_url.clone(), base64: true },
        ]
    );
    assert_eq!(rule.error_action, Some(RuleAction::Sqs { queue_url, base64: false }));
    assert_eq!(rule.sql_version, "2015-10-08");
    assert!(stack.dead_letter_queues().contains("dead"));
}

#[test]
fn refused() {
    for (payload, expected) in [
        ("Sql: a", "6: Rule has no Actions; TopicRulePayload needs one"),
        ("Actions: []", "6: Rule has no Sql; TopicRulePayload needs one"),
        ("Sql: [a]\nActions: []", "7: Sql of Rule is a list; it must be a text"),
        (
            "Sql: a\nAwsIotSqlVersion: 2016\nActions: []",
            "8: AwsIotSqlVersion of Rule is 2016; it must be one of 2016-03-23, 2015-10-08, beta",
        ),
        ("Sql: a\nActions: [{Republish: {Qos: 1}}]", "8: Rule has no Topic; Republish needs one"),
        (
            "Sql: a\nActions: [{Republish: {Topic: t, Qos: 2}}]",
            "8: Qos of Rule is 2; it must be a whole number from 0 to 1",
        ),
        (
            "Sql: a\nActions: [{Sqs: {QueueUrl: !GetAtt Dead.Arn}}]",
            "8: QueueUrl of Rule is arn:aws:sqs:us-east-1:123456789012:dead; it must be a queue's URL, which Ref gives",
        ),
        ("Sql: a\nActions: [{Sqs: x}]", "8: Sqs of Rule is a text; it must be a mapping"),
        (
            "Sql: a\nActions: [{Republish: {Topic: t, Headers: {UserProperties: [{Key: a}]}}}]",
            "8: UserProperties of Rule must be a list of mappings with Key and Value",
        ),
        (
            "Sql: a\nActions: []\nErrorAction: [a]",
            "9: an action of Rule must be a mapping with one key, such as Lambda",
        ),
    ] {
        assert_eq!(refusal(&template(payload)), expected, "{payload}");
    }
    let many = format!("Sql: a\nActions: [{}]", "{S3: {}}, ".repeat(11));
    assert_eq!(refusal(&template(&many)), "8: Rule has 11 actions; a rule has at most 10");
}

/// Whoever parses the SQL finds the place in the template for its own offsets.
#[test]
fn a_problem_in_the_sql_stands_in_the_template() {
    for (sql, needle, expected) in [
        ("Sql: SELECT x FRM 'a'", "FRM", (7, 23)),
        ("Sql: 'SELECT ''x'' FRM ''a'''", "FRM", (7, 28)),
        ("Sql: >-\n  SELECT *\n  FRM 'a'", "FRM", (9, 11)),
        ("Sql: |\n  SELECT *\n  FROM 'a'\n  WHRE b", "WHRE", (10, 11)),
        // One that an intrinsic makes stands nowhere: its beginning is told.
        ("Sql: !Sub \"SELECT x FRM '${AWS::Region}'\"", "FRM", (7, 14)),
    ] {
        let stack = parse(&template(&format!("{sql}\nActions: [{{CloudwatchLogs: {{LogGroupName: l}}}}]")));
        let rule = &stack.rules[0];
        let offset = rule.sql.text.find(needle).unwrap();
        let problem = stack.sql_problem(&rule.sql, Some(offset..offset + needle.len()), "is not SQL");
        assert_eq!((problem.line().unwrap(), problem.column().unwrap()), expected, "{sql}");
        let carets = problem.snippet().unwrap().matches('^').count();
        assert!(carets == needle.len() || sql.contains("!Sub"), "{problem}");
    }
}
