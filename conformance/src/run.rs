use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use crate::{Case, Need, Site, Unmet};

/// Cases at once: ours. Each waits for sockets most of the time.
const CASES_AT_ONCE: usize = 8;

/// How long a case may take: ours, several steps of the site's patience.
const CASE_TIME_MAX: Duration = Duration::from_secs(120);

/// The same for a case that lets hours pass.
const SLOW_CASE_TIME_MAX: Duration = Duration::from_secs(3 * 60 * 60);

/// What became of a case.
pub struct Outcome {
    /// Which one.
    pub case: &'static Case,
    /// What became of it.
    pub verdict: Verdict,
}

/// What was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The fact.
    Passed,
    /// Something else.
    Failed {
        /// What the service does.
        expected: String,
        /// What came.
        got: String,
    },
    /// Nothing, for this reason.
    Skipped(String),
}

/// Runs cases against a gateway; the outcomes come in the order of the cases, each told to `progress` as it is known.
pub async fn run(
    site: &Site,
    cases: impl IntoIterator<Item = &'static Case>,
    mut progress: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let (alone, together): (Vec<_>, Vec<_>) =
        cases.into_iter().enumerate().partition(|(_, case)| case.need != Need::Nothing);
    let mut outcomes = Vec::new();
    for (cases, at_once) in [(together, CASES_AT_ONCE), (alone, 1)] {
        let running =
            cases.into_iter().map(|(place, case)| async move { (place, run_one(site, case).await) });
        let mut running = stream::iter(running).buffer_unordered(at_once);
        while let Some((place, outcome)) = running.next().await {
            progress(&outcome);
            outcomes.push((place, outcome));
        }
    }
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

async fn run_one(site: &Site, case: &'static Case) -> Outcome {
    let limit = if case.need == Need::Time && site.slow { SLOW_CASE_TIME_MAX } else { CASE_TIME_MAX };
    let verdict = match timeout(limit, (case.check)(site)).await {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(Unmet::Failed { expected, got })) => {
            Verdict::Failed { expected: clip(&expected), got: clip(&got) }
        }
        Ok(Err(Unmet::Skipped(reason))) => Verdict::Skipped(reason),
        Err(_) => Verdict::Failed {
            expected: "an end of the case".to_owned(),
            got: format!("none within {limit:?}"),
        },
    };
    Outcome { case, verdict }
}

/// Characters of what came that a report shows: ours.
const SHOWN_CHARS_MAX: usize = 500;

/// What somebody else sent, fit for a terminal.
fn clip(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(printable).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn printable(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_show_what_a_terminal_takes() {
        assert_eq!(clip("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(clip(&"é".repeat(501)).chars().count(), 501);
    }
}
