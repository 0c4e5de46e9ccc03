use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use http::{HeaderName, HeaderValue};

/// A WebSocket API of API Gateway on this machine: real sockets, real function processes, a real broker and database.
#[derive(Parser)]
#[command(
    name = "dunlin",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 64 wrong command line, 65 bad template or input, 66 a file is missing\n\
                  or cannot be written, 69 an address is taken or nobody answers, 70 internal fault.\n\n\
                  Logs go to standard error; DUNLIN_LOG=debug says more, DUNLIN_LOG=off nothing."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs the stack of a template until Ctrl-C.
    Up(UpArgs),
    /// Connects to a WebSocket API: sends each line of standard input, prints each frame.
    Connect(ConnectArgs),
    /// Publishes one MQTT message.
    Publish(PublishArgs),
    /// Reads the clock of a running stack, or sets it ahead.
    Clock(ClockArgs),
    /// Has things go wrong in a running stack.
    Fault(FaultArgs),
    /// Prints the metrics of a running stack.
    Metrics(ReadyFileArg),
}

/// Which running stack.
#[derive(clap::Args)]
pub(crate) struct ReadyFileArg {
    /// The ready file that `dunlin up` wrote.
    #[arg(long, env = "DUNLIN_READY_FILE", value_name = "FILE", global = true, default_value = "ready.json")]
    pub(crate) ready_file: PathBuf,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    dunlin clock advance 10m --ready-file ready.json    # idle connections are closed when this returns")]
pub(crate) struct ClockArgs {
    #[command(flatten)]
    pub(crate) ready_file: ReadyFileArg,
    #[command(subcommand)]
    pub(crate) action: Option<ClockAction>,
}

#[derive(Subcommand)]
pub(crate) enum ClockAction {
    /// Sets it ahead; what is due by then has been started when this returns.
    Advance {
        /// Such as 500ms, 30s, 10m or 2h.
        #[arg(value_parser = parse_duration)]
        by: Duration,
    },
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    dunlin fault set lost disconnect_drop --share 0.5\n  \
    dunlin fault set slow function_delay --route join --delay 2s --count 10\n  \
    dunlin fault remove --all\n\n\
    Faults: disconnect_delay, disconnect_drop, disconnect_duplicate, post_error, cut, freeze, function_delay, \
    function_error, function_throttle, function_crash, cold_start. docs/control.md describes them.")]
pub(crate) struct FaultArgs {
    #[command(flatten)]
    pub(crate) ready_file: ReadyFileArg,
    #[command(subcommand)]
    pub(crate) action: FaultAction,
}

#[derive(Subcommand)]
pub(crate) enum FaultAction {
    /// Shows the rules, and what each has hit.
    List,
    /// Adds a rule, or changes the one with its id.
    Set(FaultRule),
    /// Removes a rule, or all.
    Remove {
        /// The rule's id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every rule.
        #[arg(long)]
        all: bool,
    },
}

/// A rule as the command line has it.
#[derive(clap::Args)]
pub(crate) struct FaultRule {
    /// Names the rule.
    pub(crate) id: String,
    /// What goes wrong.
    pub(crate) fault: String,
    /// Route key.
    #[arg(long)]
    pub(crate) route: Option<String>,
    /// Connection id.
    #[arg(long)]
    pub(crate) connection: Option<String>,
    /// Function, as the template names it.
    #[arg(long)]
    pub(crate) function: Option<String>,
    /// Part that is hit, from 0 to 1.
    #[arg(long)]
    pub(crate) share: Option<f64>,
    /// Decides which part.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Hits at most.
    #[arg(long)]
    pub(crate) count: Option<u64>,
    /// How late, such as 500ms or 10m.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) delay: Option<Duration>,
    /// Status of a post: 410, 429 or 500.
    #[arg(long)]
    pub(crate) status: Option<u16>,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    dunlin up --template infra/template.yaml\n  \
    dunlin up --port 4001 --data ./state            # tables and credentials survive a restart\n  \
    dunlin up --parameter StageName=prod --port 0   # any free port; the output says which")]
pub(crate) struct UpArgs {
    /// SAM or CloudFormation template, in YAML or JSON.
    #[arg(long, default_value = "template.yaml", value_name = "FILE")]
    pub(crate) template: PathBuf,
    /// Value of a template parameter; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Value that another stack exports and the template imports; may be repeated.
    #[arg(long = "import", value_name = "NAME=VALUE", value_parser = parse_import)]
    pub(crate) imports: Vec<(String, String)>,
    /// Region that the stack pretends to be in.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1", value_parser = parse_region)]
    pub(crate) region: String,
    /// Address to listen on; with 127.0.0.1, ::1 at the same ports too.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Port of the first API; further APIs take the next ones. 0: any free ones.
    #[arg(long, default_value_t = 3001)]
    pub(crate) port: u16,
    /// Port of Lambda's Invoke API. 0: any free one.
    #[arg(long, default_value_t = 3002)]
    pub(crate) lambda_port: u16,
    /// Port of DynamoDB. 0: any free one.
    #[arg(long, default_value_t = 8000)]
    pub(crate) dynamodb_port: u16,
    /// Port of the MQTT broker. 0: any free one.
    #[arg(long, default_value_t = 1883)]
    pub(crate) mqtt_port: u16,
    /// Keep the quotas that every account has at first: 500 new connections and 10,000 requests a second, messages and
    /// management calls included. Without it a machine can be measured by what it does.
    #[arg(long)]
    pub(crate) account_quotas: bool,
    /// What Lambda itself logs of each invocation.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub(crate) platform_log: PlatformLog,
    /// Folder that keeps tables and credentials; without it they live as long as the process.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Nothing that the service has not: no clock, faults and counters under /_dunlin/; the quotas of a new account; waits
    /// between attempts of asynchronous invocations as long as there.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Where the lines of access logs go, - for standard output; by default a file for each stage in --data.
    #[arg(long, value_name = "FILE")]
    pub(crate) access_log: Option<PathBuf>,
    /// File to write once everything accepts, with every address and credential (JSON); removed at the end.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// Which lines of the platform the log shows.
#[derive(clap::ValueEnum, Clone, Copy, Default)]
pub(crate) enum PlatformLog {
    /// Nothing.
    Off,
    /// A REPORT line for cold starts and failures, and samples of the rest.
    #[default]
    Reports,
    /// START, END and REPORT of every invocation, as on the service.
    All,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    echo '{\"action\":\"set_notify_list\",\"device_ids\":[\"dev-1\"]}' | dunlin connect --linger 60")]
pub(crate) struct ConnectArgs {
    /// Where to connect; the stage is part of the path.
    #[arg(default_value = "ws://127.0.0.1:3001/dev")]
    pub(crate) url: String,
    /// Header to send with the handshake; may be repeated. Host: takes the place of the URL's, for a custom domain.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Subprotocol to offer; may be repeated.
    #[arg(long = "protocol", value_name = "NAME", value_parser = parse_protocol)]
    pub(crate) protocols: Vec<String>,
    /// Certificate authority to trust for wss, in PEM; by default the one that `dunlin up` made.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// How long to go on after standard input ends, counted from the last frame, in seconds.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) linger: Duration,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    dunlin publish devices/dev-1/parameters '{\"version\":1,\"payload\":{\"value\":{\"t\":21.5}}}'")]
pub(crate) struct PublishArgs {
    /// Topic, without wildcards.
    pub(crate) topic: String,
    /// Payload, sent as it stands.
    pub(crate) payload: String,
    /// The broker.
    #[arg(long, default_value = "127.0.0.1:1883", value_name = "HOST:PORT")]
    pub(crate) mqtt: String,
    /// 0: at most once; 1: at least once, confirmed by the broker.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub(crate) qos: u8,
}

fn parse_parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected, such as StageName=prod")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_import(text: &str) -> Result<(String, String), String> {
    // A name may hold anything but the sign that ends it here.
    let (name, value) =
        text.split_once('=').ok_or("NAME=VALUE is expected, such as network-Subnet=subnet-1")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_region(text: &str) -> Result<String, String> {
    let is_region = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_region
        .then(|| text.to_owned())
        .ok_or_else(|| "a name such as eu-west-1 is expected, from --region or AWS_REGION".to_owned())
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("NAME: VALUE is expected, such as 'X-Api-Key: abc'")?;
    let (name, value) = (name.trim(), value.trim());
    HeaderName::try_from(name).map_err(|_| format!("{name:?} is no name of a header"))?;
    HeaderValue::try_from(value).map_err(|_| format!("{value:?} cannot be the value of a header"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_protocol(text: &str) -> Result<String, String> {
    // A subprotocol is the same kind of word as a header's name.
    HeaderName::try_from(text)
        .map_err(|_| "one word without spaces is expected, such as chat.v1".to_owned())?;
    Ok(text.to_owned())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let parsed = millis.and_then(|millis| number.parse::<u64>().ok()?.checked_mul(millis));
    parsed
        .map(Duration::from_millis)
        .ok_or_else(|| "a time such as 500ms, 30s, 10m or 2h is expected".to_owned())
}

/// Longest wait that a command line may ask for: a day.
const SECONDS_MAX: f64 = 86_400.0;

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds from 0 to {SECONDS_MAX} is expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("10m", Some(600_000)),
            ("2h", Some(7_200_000)),
            ("0s", Some(0)),
            ("10", None),
            ("m", None),
            ("1.5h", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("9999999999999999h", None),
        ] {
            assert_eq!(parse_duration(text).ok().map(|duration| duration.as_millis()), expected, "{text}");
        }
    }
}
