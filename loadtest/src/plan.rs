//! What a run will do, decided before it starts: who follows what, and when which device publishes.

use std::time::Duration;

use dunlin_events::device::is_device_id;

use crate::LoadError;

/// Devices of one client: the bound of the app's `set_notify_list`.
pub const DEVICES_PER_USER_MAX: usize = 100;

/// Devices of a run: their number has five digits in the device id.
pub const DEVICES_MAX: usize = 100_000;

/// Updates of a run. The schedule is held in memory, and each follower keeps a bit for each of its versions.
pub const UPDATES_MAX: u64 = 1_000_000;

/// The gaps of the schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Arrivals {
    /// Equal gaps.
    #[default]
    Constant,
    /// Exponential gaps, as of many independent devices.
    Poisson,
}

impl Arrivals {
    /// The word on the command line and in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Arrivals::Constant => "constant",
            Arrivals::Poisson => "poisson",
        }
    }
}

/// The size of a run.
#[derive(Clone, Debug)]
pub struct Load {
    /// Clients, one connection each.
    pub users: usize,
    /// Devices that publish, in turn.
    pub devices: usize,
    /// Devices that each client follows.
    pub devices_per_user: usize,
    /// Updates a second over all devices.
    pub updates_per_second: f64,
    /// Measured part of the schedule.
    pub measured: Duration,
    /// Part of the schedule before it, reported apart.
    pub warm_up: Duration,
    /// Gaps between updates.
    pub arrivals: Arrivals,
    /// New connections a second.
    pub ramp_per_second: f64,
    /// Decides the gaps of a Poisson schedule and the spread of the clients' reports to goose.
    pub seed: u64,
}

/// A [`Load`] with its devices and its schedule.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) load: Load,
    pub(crate) run_id: String,
    device_prefix: String,
    /// Intended times of the updates, in nanoseconds from the start of the schedule, rising.
    offsets_ns: Vec<u64>,
}

impl Plan {
    pub(crate) fn new(load: Load, run_id: String) -> Result<Plan, LoadError> {
        check(&load).map_err(LoadError::Usage)?;
        let offsets_ns = schedule(&load);
        let device_prefix = format!("load-{run_id}-");
        let plan = Plan { load, run_id, device_prefix, offsets_ns };
        debug_assert!(is_device_id(&plan.device_id(0)));
        Ok(plan)
    }

    pub(crate) fn updates(&self) -> usize {
        self.offsets_ns.len()
    }

    /// Intended time of an update, from the start of the schedule.
    pub(crate) fn offset_ns(&self, update: usize) -> u64 {
        self.offsets_ns[update]
    }

    /// Whether an update with this intended time belongs to the warm-up.
    pub(crate) fn is_warm_up(&self, offset_ns: u64) -> bool {
        u128::from(offset_ns) < self.load.warm_up.as_nanos()
    }

    /// The devices publish in turn.
    pub(crate) fn device_of(&self, update: usize) -> usize {
        update % self.load.devices
    }

    /// Versions of a device count from 1.
    pub(crate) fn version_of(&self, update: usize) -> u32 {
        u32::try_from(update / self.load.devices + 1).expect("a plan has at most UPDATES_MAX updates")
    }

    /// The last version of any device.
    pub(crate) fn version_max(&self) -> u32 {
        self.version_of(self.updates() - 1)
    }

    pub(crate) fn device_id(&self, device: usize) -> String {
        format!("{}{device:05}", self.device_prefix)
    }

    /// The devices that a client follows; its slots are the positions in this list.
    pub(crate) fn followed(&self, user: usize) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.load.devices_per_user)
            .map(move |slot| (self.first_followed(user) + slot) % self.load.devices)
    }

    /// The slot of a device in a client's list, found without looking anything up.
    pub(crate) fn slot(&self, user: usize, device_id: &str) -> Option<usize> {
        let number = device_id.strip_prefix(&self.device_prefix)?;
        let device: usize = (number.len() == 5).then(|| number.parse().ok())??;
        if device >= self.load.devices {
            return None;
        }
        let slot = (device + self.load.devices - self.first_followed(user)) % self.load.devices;
        (slot < self.load.devices_per_user).then_some(slot)
    }

    /// The second of the schedule that an intended time lies in.
    pub(crate) fn second_of(&self, offset_ns: u64) -> usize {
        usize::try_from(offset_ns / 1_000_000_000).expect("a plan has at most UPDATES_MAX seconds")
    }

    pub(crate) fn seconds(&self) -> usize {
        self.second_of(self.offsets_ns.last().copied().unwrap_or(0)) + 1
    }

    /// Updates that the schedule has in each second.
    pub(crate) fn planned_by_second(&self) -> Vec<u64> {
        let mut planned = vec![0; self.seconds()];
        for &offset in &self.offsets_ns {
            planned[self.second_of(offset)] += 1;
        }
        planned
    }

    fn first_followed(&self, user: usize) -> usize {
        (user * self.load.devices_per_user) % self.load.devices
    }
}

fn check(load: &Load) -> Result<(), String> {
    let positive = |name: &str, value: f64| {
        if value.is_finite() && value > 0.0 {
            Ok(())
        } else {
            Err(format!("{name} is {value}: give a number above 0"))
        }
    };
    if load.users == 0 {
        return Err("--users is 0: give at least 1".to_owned());
    }
    if load.devices == 0 || load.devices > DEVICES_MAX {
        return Err(format!("--devices is {}: give 1 to {DEVICES_MAX}", load.devices));
    }
    let per_user_max = DEVICES_PER_USER_MAX.min(load.devices);
    if load.devices_per_user == 0 || load.devices_per_user > per_user_max {
        return Err(format!(
            "--devices-per-user is {}: give 1 to {per_user_max}, the bound of a notify list and of --devices",
            load.devices_per_user
        ));
    }
    positive("--updates-per-second", load.updates_per_second)?;
    positive("--ramp-per-second", load.ramp_per_second)?;
    positive("--seconds", load.measured.as_secs_f64())?;
    let updates = load.updates_per_second * (load.warm_up + load.measured).as_secs_f64();
    if updates > UPDATES_MAX as f64 {
        return Err(format!(
            "{updates:.0} updates are more than the {UPDATES_MAX} of one run: lower --updates-per-second or --seconds"
        ));
    }
    if load.updates_per_second * load.measured.as_secs_f64() < 1.0 {
        return Err("the measured part holds less than one update: raise --updates-per-second or --seconds"
            .to_owned());
    }
    Ok(())
}

fn schedule(load: &Load) -> Vec<u64> {
    let end = (load.warm_up + load.measured).as_secs_f64();
    let gap = 1.0 / load.updates_per_second;
    let mut rng = fastrand::Rng::with_seed(load.seed);
    let mut offsets = Vec::new();
    match load.arrivals {
        // From the index, so that no rounding adds up.
        Arrivals::Constant => {
            let updates = (end * load.updates_per_second).round() as u64;
            offsets.extend((0..updates).map(|update| to_ns(update as f64 * gap)));
        }
        Arrivals::Poisson => {
            let mut at = 0.0;
            while at < end && offsets.len() < UPDATES_MAX as usize {
                offsets.push(to_ns(at));
                // 1 - f64() is in (0, 1]: its logarithm is finite.
                at += -(1.0 - rng.f64()).ln() * gap;
            }
        }
    }
    offsets
}

fn to_ns(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn load() -> Load {
        Load {
            users: 6,
            devices: 4,
            devices_per_user: 2,
            updates_per_second: 10.0,
            measured: Duration::from_secs(2),
            warm_up: Duration::from_secs(1),
            arrivals: Arrivals::Constant,
            ramp_per_second: 100.0,
            seed: 7,
        }
    }

    fn plan(load: Load) -> Plan {
        Plan::new(load, "0123abcd".to_owned()).unwrap()
    }

    #[test]
    fn a_constant_schedule_has_equal_gaps_over_warm_up_and_measurement() {
        let plan = plan(load());
        assert_eq!(plan.updates(), 30);
        assert!((0..30).all(|update| plan.offset_ns(update) == update as u64 * 100_000_000));
        assert_eq!(plan.planned_by_second(), [10, 10, 10]);
        assert_eq!((0..30).filter(|&update| plan.is_warm_up(plan.offset_ns(update))).count(), 10);
    }

    #[test]
    fn a_poisson_schedule_keeps_its_rate_and_its_seed() {
        let load = Load {
            arrivals: Arrivals::Poisson,
            updates_per_second: 500.0,
            measured: Duration::from_secs(20),
            ..load()
        };
        let (first, again) = (plan(load.clone()), plan(load.clone()));
        assert_eq!(first.offsets_ns, again.offsets_ns);
        assert!(first.offsets_ns.is_sorted());
        assert_ne!(first.offsets_ns, plan(Load { seed: 8, ..load }).offsets_ns);
        // 10,500 expected, standard deviation 102.
        assert!((10_000..11_000).contains(&first.updates()), "{}", first.updates());
    }

    #[test]
    fn devices_take_turns_and_count_their_versions() {
        let plan = plan(load());
        let turns: Vec<_> = (0..6).map(|update| (plan.device_of(update), plan.version_of(update))).collect();
        assert_eq!(turns, [(0, 1), (1, 1), (2, 1), (3, 1), (0, 2), (1, 2)]);
        assert_eq!(plan.version_max(), 8);
    }

    #[test]
    fn a_slot_is_the_position_in_the_clients_list() {
        let plan = plan(Load { devices: 5, devices_per_user: 3, ..load() });
        for user in 0..9 {
            let followed: Vec<_> = plan.followed(user).collect();
            for device in 0..5 {
                let position = followed.iter().position(|&followed| followed == device);
                assert_eq!(
                    plan.slot(user, &plan.device_id(device)),
                    position,
                    "user {user}, device {device}"
                );
            }
        }
        for other in [
            "load-0123abcd-00005",
            "load-0123abcd-1",
            "load-ffffffff-00001",
            "dev-1",
            "",
            "load-0123abcd-0000é",
        ] {
            assert_eq!(plan.slot(0, other), None, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_flag() {
        for (load, flag) in [
            (Load { users: 0, ..load() }, "--users"),
            (Load { devices: 0, ..load() }, "--devices"),
            (Load { devices: DEVICES_MAX + 1, ..load() }, "--devices"),
            (Load { devices_per_user: 5, ..load() }, "--devices-per-user"),
            (Load { devices: 200, devices_per_user: 101, ..load() }, "--devices-per-user"),
            (Load { updates_per_second: f64::NAN, ..load() }, "--updates-per-second"),
            (Load { updates_per_second: -1.0, ..load() }, "--updates-per-second"),
            (Load { updates_per_second: 1e6, ..load() }, "--updates-per-second"),
            (Load { updates_per_second: 0.1, ..load() }, "--updates-per-second"),
            (Load { ramp_per_second: 0.0, ..load() }, "--ramp-per-second"),
            (Load { measured: Duration::ZERO, ..load() }, "--seconds"),
        ] {
            let error = Plan::new(load, "0123abcd".to_owned()).unwrap_err();
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
