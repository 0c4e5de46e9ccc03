use std::path::Path;

use dunlin_stack::{Parameters, Stack};

use crate::PATH;

const REST: &str = "
Resources:
  Table:
    Type: AWS::Serverless::SimpleTable
    Properties: {TableName: !Sub [\"${p}\", {p: !Join ['+', !If [Many, !Ref P, [!Ref P]]]}]}
Conditions: {Many: !Equals [MANY, 'yes']}
";

/// The parameter `P`, lists joined by `+`; or the problems.
fn value(declaration: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let many = declaration.contains("List");
    let text = format!(
        "Parameters:\n  P: {{{declaration}}}{}",
        REST.replace("MANY", if many { "'yes'" } else { "'no'" })
    );
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let parameters = Parameters { values, ..Parameters::default() };
    match Stack::parse(Path::new(PATH), &text, &parameters) {
        Ok(stack) => Ok(stack.tables[0].name.clone()),
        Err(error) => {
            let told: Vec<_> = error.problems().iter().map(|problem| problem.message()).collect();
            Err(told.join("; "))
        }
    }
}

#[test]
fn values() {
    for (declaration, given, expected) in [
        ("Type: String, Default: a", None, "a"),
        ("Type: String, Default: a", Some("b"), "b"),
        ("Type: String", Some("b=c"), "b=c"),
        ("Type: Number, Default: 1", Some("2.5"), "2.5"),
        ("Type: CommaDelimitedList, Default: 'a, b'", None, "a+b"),
        ("Type: List<Number>, Default: '1,2'", None, "1+2"),
        ("Type: List<String>, Default: '1, x'", None, "1+x"),
        ("Type: 'AWS::EC2::VPC::Id'", Some("vpc-1"), "vpc-1"),
        ("Type: 'List<AWS::EC2::Subnet::Id>'", Some("s-1,s-2"), "s-1+s-2"),
        ("Type: 'AWS::SSM::Parameter::Value<String>', Default: /a", Some("b"), "b"),
        ("Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /a", Some("b,c"), "b+c"),
        ("Type: String, Default: ab, AllowedPattern: '[a-z]+'", None, "ab"),
        ("Type: CommaDelimitedList, Default: 'a,b', AllowedPattern: '[a-z]'", None, "a+b"),
        ("Type: String, Default: ab, MinLength: 2, MaxLength: 2", None, "ab"),
        ("Type: Number, Default: 3, MinValue: 3, MaxValue: 3", None, "3"),
        ("Type: String, Default: a, NoEcho: true, Description: d", None, "a"),
    ] {
        let values: Vec<_> = given.map(|given| ("P", given)).into_iter().collect();
        assert_eq!(value(declaration, &values).as_deref(), Ok(expected), "{declaration}");
    }
}

#[test]
fn refused() {
    let long = format!("Type: String, Default: {}", "x".repeat(4_097));
    for (declaration, given, expected) in [
        ("Type: String", None, "parameter P has no Default; give it a value with --parameter P=VALUE"),
        ("Default: x", None, "parameter P has no Type; most are of Type String"),
        ("Type: Number, Default: x", None, "parameter P is a Number; \"x\" is none"),
        ("Type: List<Number>, Default: '1,x'", None, "parameter P is a Number; \"x\" is none"),
        (
            "Type: Strin, Default: x",
            None,
            "parameter P is of Type Strin; the types are String, Number, List<Number>, CommaDelimitedList and those that \
             start with AWS::",
        ),
        (
            "Type: String, Default: a, AllowedValues: [a, b]",
            Some("c"),
            "parameter P is \"c\"; it must be one of a, b",
        ),
        (
            "Type: String, Default: a, AllowedValues: [b], ConstraintDescription: choose b",
            None,
            "parameter P is \"a\"; it must be one of b (choose b)",
        ),
        ("Type: String, Default: a, AllowedValues: b", None, "AllowedValues of parameter P must be a list"),
        (
            "Type: String, Default: ab1, AllowedPattern: '[a-z]+'",
            None,
            "parameter P is \"ab1\"; it must match [a-z]+",
        ),
        (
            "Type: String, Default: a, MinLength: 2",
            None,
            "parameter P is \"a\"; it must have at least 2 characters",
        ),
        (
            "Type: String, Default: abc, MaxLength: 2",
            None,
            "parameter P is \"abc\"; it must have at most 2 characters",
        ),
        ("Type: Number, Default: 1, MinValue: 2", None, "parameter P is \"1\"; it must be at least 2"),
        ("Type: Number, Default: 3, MaxValue: 2", None, "parameter P is \"3\"; it must be at most 2"),
        (
            "Type: String, Default: a, MinLength: x",
            None,
            "MinLength of parameter P is x; it must be a number",
        ),
        ("Type: String, Default: [a]", None, "Default of parameter P is a list; it must be a text"),
        (
            "Type: 'AWS::SSM::Parameter::Value<String>', Default: /a",
            None,
            "the value of parameter P lies in the account's parameter store; give it one with --parameter P=VALUE",
        ),
        (&long, None, "parameter P has more than 4096 bytes"),
        (
            "Type: String, Default: a, Defualt: b",
            None,
            "Defualt is not a key of a parameter; P takes Type, Default, Description, AllowedValues, AllowedPattern, \
             ConstraintDescription, MinLength, MaxLength, MinValue, MaxValue, NoEcho",
        ),
    ] {
        let values: Vec<_> = given.map(|given| ("P", given)).into_iter().collect();
        assert_eq!(value(declaration, &values), Err(expected.to_owned()), "{declaration}");
    }
    let pattern = value("Type: String, Default: a, AllowedPattern: '(a'", &[]).unwrap_err();
    assert!(pattern.starts_with("AllowedPattern of parameter P cannot be used here: "), "{pattern}");
}

#[test]
fn every_unknown_name_is_told() {
    let told = value("Type: String, Default: x", &[("Q", "x"), ("R", "y")]).unwrap_err();
    assert_eq!(
        told,
        "there is no parameter Q; the template declares P; there is no parameter R; the template declares P"
    );
    let values = [("Q".to_owned(), String::new())].into();
    let parameters = Parameters { values, ..Parameters::default() };
    let text = "Resources: {T: {Type: 'AWS::Serverless::SimpleTable'}}";
    let error = Stack::parse(Path::new(PATH), text, &parameters).unwrap_err();
    assert_eq!(error.to_string(), "/app/template.yaml: there is no parameter Q; the template declares none");
}
