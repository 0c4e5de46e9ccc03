//! A case that cannot fail shows nothing: each is run against a gateway that is broken for it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use dunlin_conformance::{Case, Need, Site, Verdict, cases, local::deviation, run};
use futures_util::{StreamExt, stream};

use crate::{
    breaks::{BREAKS, Break},
    proxy::{Change, Proxies},
    stack::{Stack, TEMPLATE},
};

/// How long a broken gateway is waited for: what is to come within a test machine's worst moment, and no more, since for some
/// cases nothing is to come.
const PATIENCE: Duration = Duration::from_secs(8);

/// Cases at once.
const AT_ONCE: usize = 12;

fn case(id: &str) -> &'static Case {
    cases::all().find(|case| case.id == id).unwrap_or_else(|| panic!("there is no case {id}"))
}

#[test]
fn every_case_is_broken_once() {
    let mut times: BTreeMap<&str, usize> = cases::all().map(|case| (case.id, 0)).collect();
    for (id, _) in BREAKS {
        *times.get_mut(id).unwrap_or_else(|| panic!("there is no case {id}")) += 1;
    }
    times.retain(|_, times| *times != 1);
    assert!(times.is_empty(), "how often these cases are broken: {times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_case_fails_when_its_fact_is_broken_on_the_wire() {
    let mut stack = Stack::start(TEMPLATE).await;
    stack.site.patience = PATIENCE;
    let broken: Vec<_> = BREAKS
        .iter()
        .filter_map(|(id, broken)| match broken {
            Break::Wire(change) => Some((case(id), *change, false)),
            Break::Repair(change) => Some((case(id), *change, true)),
            Break::Template(..) => None,
        })
        .collect();
    let (alone, together): (Vec<_>, Vec<_>) =
        broken.into_iter().partition(|(case, ..)| case.need == Need::Time);
    let mut faults = Vec::new();
    for (broken, at_once) in [(together, AT_ONCE), (alone, 1)] {
        let site = &stack.site;
        let running = broken.into_iter().map(|(case, change, passes)| wire_fault(site, case, change, passes));
        let found: Vec<Option<String>> = stream::iter(running).buffer_unordered(at_once).collect().await;
        faults.extend(found.into_iter().flatten());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    stack.stop().await;
}

/// What is wrong with a self-test, if anything.
async fn wire_fault(site: &Site, case: &'static Case, change: Change, passes: bool) -> Option<String> {
    let proxies = Proxies::before(site, change).await;
    let verdict = verdict(&proxies.site, case).await;
    let made = proxies.changing.made.load(Relaxed);
    let as_expected = matches!(verdict, Verdict::Passed) == passes && !matches!(verdict, Verdict::Skipped(_));
    (made == 0 || !as_expected)
        .then(|| format!("{}: {change:?}, made {made} times, ended with {verdict:?}", case.id))
}

async fn verdict(site: &Site, case: &'static Case) -> Verdict {
    run(site, [case], |_| ()).await.remove(0).verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn each_case_fails_when_its_fact_is_broken_in_the_template() {
    let mut template = TEMPLATE.to_owned();
    let mut patched = HashMap::new();
    for (id, broken) in BREAKS {
        let Break::Template(resource, from, to) = broken else { continue };
        // Two cases may need the same change.
        if patched.insert((*resource, *from), *to).is_none_or(|earlier| earlier != *to) {
            template =
                patch(&template, resource, from, to).unwrap_or_else(|problem| panic!("{id}: {problem}"));
        }
    }
    let mut stack = Stack::start(&template).await;
    stack.site.patience = PATIENCE;
    let broken =
        BREAKS.iter().filter(|(_, broken)| matches!(broken, Break::Template(..))).map(|(id, _)| case(id));
    let outcomes = run(&stack.site, broken, |_| ()).await;
    for outcome in outcomes {
        // Something else comes than is expected; nothing at all would be the fault of another change.
        let failed = matches!(&outcome.verdict, Verdict::Failed { got, .. } if !got.starts_with("nothing"));
        assert!(failed, "{} ended with {:?}", outcome.case.id, outcome.verdict);
    }
    stack.stop().await;
}

/// The template with a change in one resource.
fn patch(template: &str, resource: &str, from: &str, to: &str) -> Result<String, String> {
    let start =
        template.find(&format!("\n  {resource}:\n")).ok_or(format!("there is no resource {resource}"))?;
    let length = template[start + 1..].find("\n\n").map_or(template.len() - start, |end| end + 2);
    let block = &template[start..start + length];
    if block.matches(from).count() != 1 {
        return Err(format!("{from:?} is not there once in {resource}:{block}"));
    }
    Ok(template.replacen(block, &block.replace(from, to), 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_changes_nothing_breaks_nothing() {
    let stack = Stack::start(TEMPLATE).await;
    let proxies = Proxies::before(&stack.site, Change::Nothing).await;
    let outcomes = run(&proxies.site, cases::all().filter(|case| case.need == Need::Nothing), |_| ()).await;
    for outcome in outcomes {
        let as_expected = (outcome.verdict == Verdict::Passed) == deviation(outcome.case.id).is_none();
        assert!(as_expected, "{} ended with {:?}", outcome.case.id, outcome.verdict);
    }
    stack.stop().await;
}
