//! What `Ref` and `Fn::GetAtt` give for resources that take no part in the local stack: what the service would give, as
//! far as it follows from the name.

use crate::arn::{PARTITION, URL_SUFFIX};

/// Where the resource would live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account<'a> {
    pub(crate) region: &'a str,
    pub(crate) account_id: &'a str,
}

/// The types that only a deployment needs: alarms watch, roles allow, queues keep. They are no gap in the local stack.
pub(crate) fn is_deploy_only(type_name: &str) -> bool {
    matches!(
        type_name,
        "AWS::CertificateManager::Certificate"
            | "AWS::CloudFormation::WaitConditionHandle"
            | "AWS::CloudWatch::Alarm"
            | "AWS::CloudWatch::CompositeAlarm"
            | "AWS::CloudWatch::Dashboard"
            | "AWS::IAM::InstanceProfile"
            | "AWS::IAM::ManagedPolicy"
            | "AWS::IAM::Policy"
            | "AWS::IAM::Role"
            | "AWS::IAM::RolePolicy"
            | "AWS::KMS::Alias"
            | "AWS::KMS::Key"
            | "AWS::Lambda::Alias"
            | "AWS::Lambda::Version"
            | "AWS::Logs::LogGroup"
            | "AWS::Logs::LogStream"
            | "AWS::Logs::MetricFilter"
            | "AWS::Logs::QueryDefinition"
            | "AWS::Route53::HostedZone"
            | "AWS::Route53::RecordSet"
            | "AWS::Route53::RecordSetGroup"
            | "AWS::SNS::Subscription"
            | "AWS::SNS::Topic"
            | "AWS::SNS::TopicPolicy"
            | "AWS::SQS::QueuePolicy"
    )
}

/// The property that names a resource of this type, if the template does.
pub(crate) fn name_property(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "AWS::SQS::Queue" => "QueueName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::Logs::LogStream" => "LogStreamName",
        "AWS::Logs::MetricFilter" => "FilterName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::IAM::Policy" | "AWS::IAM::RolePolicy" => "PolicyName",
        "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
        "AWS::IAM::InstanceProfile" => "InstanceProfileName",
        "AWS::IAM::User" => "UserName",
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => "AlarmName",
        "AWS::CloudWatch::Dashboard" => "DashboardName",
        "AWS::S3::Bucket" => "BucketName",
        "AWS::KMS::Alias" => "AliasName",
        "AWS::Events::Rule" | "AWS::Events::EventBus" | "AWS::SSM::Parameter" => "Name",
        "AWS::SecretsManager::Secret" => "Name",
        "AWS::Kinesis::Stream" => "Name",
        // SAM's: function and alias in one.
        "AWS::Lambda::Alias" => "Name",
        "AWS::IoT::Thing" => "ThingName",
        "AWS::IoT::Policy" => "PolicyName",
        _ => return None,
    })
}

/// What `Ref` gives for a resource with this name.
pub(crate) fn reference(type_name: &str, name: &str, account: Account<'_>) -> String {
    match type_name {
        "AWS::SQS::Queue" => queue_url(name, account),
        "AWS::SNS::Topic"
        | "AWS::CertificateManager::Certificate"
        | "AWS::IAM::ManagedPolicy"
        | "AWS::CloudWatch::CompositeAlarm"
        | "AWS::SecretsManager::Secret"
        | "AWS::Lambda::Alias" => arn(type_name, name, account),
        _ => name.to_owned(),
    }
}

/// What `Fn::GetAtt` gives.
pub(crate) fn attribute(type_name: &str, name: &str, attribute: &str, account: Account<'_>) -> String {
    match (type_name, attribute) {
        ("AWS::SQS::Queue", "QueueUrl") => queue_url(name, account),
        ("AWS::SQS::Queue", "QueueName") | ("AWS::SNS::Topic", "TopicName") => name.to_owned(),
        // The service ends it with `:*`, for the streams of the group.
        ("AWS::Logs::LogGroup", "Arn") => format!("{}:*", arn(type_name, name, account)),
        ("AWS::S3::Bucket", "DomainName") => format!("{name}.s3.{URL_SUFFIX}"),
        ("AWS::S3::Bucket", "RegionalDomainName") => format!("{name}.s3.{}.{URL_SUFFIX}", account.region),
        (_, attribute) if attribute.ends_with("Arn") || (attribute == "Id" && is_arn_id(type_name)) => {
            arn(type_name, name, account)
        }
        (_, "Id" | "Name") => name.to_owned(),
        (_, attribute) => format!("{name}.{attribute}"),
    }
}

fn is_arn_id(type_name: &str) -> bool {
    type_name == "AWS::SecretsManager::Secret"
}

/// `https://sqs.{region}.amazonaws.com/{account}/{name}`.
fn queue_url(name: &str, Account { region, account_id }: Account<'_>) -> String {
    format!("https://sqs.{region}.{URL_SUFFIX}/{account_id}/{name}")
}

fn arn(type_name: &str, name: &str, Account { region, account_id }: Account<'_>) -> String {
    let mut parts = type_name.split("::").skip(1);
    let (service, kind) = (parts.next().unwrap_or("unknown"), parts.next().unwrap_or_default());
    let regional =
        |service: &str, rest: &str| format!("arn:{PARTITION}:{service}:{region}:{account_id}:{rest}");
    match (service, kind) {
        ("SQS", "Queue") => regional("sqs", name),
        ("Lambda", "Alias") => regional("lambda", &format!("function:{name}")),
        ("SNS", "Topic") => regional("sns", name),
        ("Logs", "LogGroup") => regional("logs", &format!("log-group:{name}")),
        ("CloudWatch", "Alarm" | "CompositeAlarm") => regional("cloudwatch", &format!("alarm:{name}")),
        ("CloudWatch", "Dashboard") => format!("arn:{PARTITION}:cloudwatch::{account_id}:dashboard/{name}"),
        ("CertificateManager", "Certificate") => regional("acm", &format!("certificate/{name}")),
        ("IAM", "Role") => format!("arn:{PARTITION}:iam::{account_id}:role/{name}"),
        ("IAM", "ManagedPolicy") => format!("arn:{PARTITION}:iam::{account_id}:policy/{name}"),
        ("IAM", "User") => format!("arn:{PARTITION}:iam::{account_id}:user/{name}"),
        ("IAM", "InstanceProfile") => format!("arn:{PARTITION}:iam::{account_id}:instance-profile/{name}"),
        ("S3", "Bucket") => format!("arn:{PARTITION}:s3:::{name}"),
        ("KMS", "Key") => regional("kms", &format!("key/{name}")),
        ("Events", "Rule") => regional("events", &format!("rule/{name}")),
        ("Events", "EventBus") => regional("events", &format!("event-bus/{name}")),
        ("SSM", "Parameter") => regional("ssm", &format!("parameter/{}", name.trim_start_matches('/'))),
        ("SecretsManager", "Secret") => regional("secretsmanager", &format!("secret:{name}")),
        ("Kinesis", "Stream") => regional("kinesis", &format!("stream/{name}")),
        ("IoT", "Thing") => regional("iot", &format!("thing/{name}")),
        ("IoT", "Policy") => regional("iot", &format!("policy/{name}")),
        (service, _) => regional(&service.to_ascii_lowercase(), name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Account<'_> = Account { region: "eu-west-1", account_id: "123456789012" };

    #[test]
    fn references() {
        for (type_name, expected) in [
            ("AWS::SQS::Queue", "https://sqs.eu-west-1.amazonaws.com/123456789012/n"),
            ("AWS::SNS::Topic", "arn:aws:sns:eu-west-1:123456789012:n"),
            ("AWS::Logs::LogGroup", "n"),
            ("AWS::IAM::Role", "n"),
            ("AWS::CloudWatch::Alarm", "n"),
            ("AWS::Anything::Else", "n"),
        ] {
            assert_eq!(reference(type_name, "n", ACCOUNT), expected, "{type_name}");
        }
    }

    #[test]
    fn attributes() {
        for (type_name, name, expected) in [
            ("AWS::SQS::Queue", "Arn", "arn:aws:sqs:eu-west-1:123456789012:n"),
            ("AWS::SQS::Queue", "QueueUrl", "https://sqs.eu-west-1.amazonaws.com/123456789012/n"),
            ("AWS::SQS::Queue", "QueueName", "n"),
            ("AWS::SNS::Topic", "TopicArn", "arn:aws:sns:eu-west-1:123456789012:n"),
            ("AWS::Logs::LogGroup", "Arn", "arn:aws:logs:eu-west-1:123456789012:log-group:n:*"),
            ("AWS::IAM::Role", "Arn", "arn:aws:iam::123456789012:role/n"),
            ("AWS::CloudWatch::Alarm", "Arn", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:n"),
            ("AWS::S3::Bucket", "Arn", "arn:aws:s3:::n"),
            ("AWS::Other::Thing", "Arn", "arn:aws:other:eu-west-1:123456789012:n"),
            ("AWS::Other::Thing", "Size", "n.Size"),
        ] {
            assert_eq!(attribute(type_name, "n", name, ACCOUNT), expected, "{type_name}.{name}");
        }
    }
}
