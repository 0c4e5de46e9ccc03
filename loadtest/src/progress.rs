//! One line of progress on stderr, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::Plan;

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Connect,
    Publish,
    Stragglers,
    Close,
}

/// The progress line. It shows nothing if it was not wanted, or stderr is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    users: u64,
    deliveries: u64,
}

impl Progress {
    pub(crate) fn new(wanted: bool, plan: &Plan) -> Progress {
        // indicatif draws nothing where stderr is not a terminal.
        let target = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{elapsed:>4} {msg:<24} {bar:30} {pos}/{len}")
            .expect("the template is a constant with known keys");
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(500));
        let load = &plan.load;
        let followers = (load.users * load.devices_per_user) as u64;
        // On average: the devices take turns, and the clients spread evenly over them.
        let deliveries = plan.updates() as u64 * followers / load.devices as u64;
        Progress { bar, users: load.users as u64, deliveries }
    }

    pub(crate) fn step(&self, step: Step) {
        let (message, length) = match step {
            Step::Connect => ("clients connecting", self.users),
            Step::Publish => ("pushes arriving", self.deliveries),
            Step::Stragglers => ("waiting for the last", self.deliveries),
            Step::Close => ("closing", self.users),
        };
        self.bar.set_length(length);
        self.bar.set_message(message);
    }

    pub(crate) fn position(&self, position: u64) {
        self.bar.set_position(position);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
