//! Runs targets for longer than the tests do: `dunlin-fuzz TARGET|all SECONDS [SEED]`, or one input: `dunlin-fuzz TARGET FILE`.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use dunlin_fuzz::{TARGETS, Target, corpus, mutate::Mutator, run, target};

const USAGE: &str = "dunlin-fuzz TARGET|all SECONDS [SEED], or dunlin-fuzz TARGET FILE";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, what, seed @ ..] = arguments.as_slice() else { bail!("{USAGE}") };
    let targets = match name.as_str() {
        "all" => TARGETS.to_vec(),
        name => vec![target(name).with_context(|| format!("there is no target {name}: {}", names()))?],
    };
    let Ok(seconds) = what.parse() else {
        let input =
            fs::read(what).with_context(|| format!("{what} is neither a number of seconds nor a file"))?;
        return targets.into_iter().try_for_each(|target| report(target, std::iter::once(input.clone())));
    };
    let seed = match seed {
        [] => fastrand::u64(..),
        [seed] => seed.parse().with_context(|| format!("{seed} is no seed"))?,
        _ => bail!("{USAGE}"),
    };
    println!("seed {seed}");
    for target in targets {
        let seeds = corpus::seeds(&target)
            .with_context(|| format!("the corpus of {} cannot be read", target.name))?;
        let mut mutator = Mutator::new(target, seeds.clone(), seed);
        let end = Instant::now() + Duration::from_secs(seconds);
        let mutations =
            std::iter::repeat_with(move || mutator.next_input()).take_while(move |_| Instant::now() < end);
        report(target, seeds.into_iter().chain(mutations))?;
    }
    Ok(())
}

fn report(target: Target, inputs: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Result<()> {
    let count = run::run(target, inputs).map_err(|failure| anyhow!(failure))?;
    println!("{}: {count} inputs, all well", target.name);
    Ok(())
}

fn names() -> String {
    TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ")
}
