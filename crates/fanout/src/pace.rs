//! How fast posts may begin: a rate that grows additively and is cut multiplicatively.

use tokio::time::{Duration, Instant};

/// What a rate that was cut gains each second, in posts per second. The same whatever the rate, so that processes which
/// share an account's quota come to share it evenly ...
pub const RATE_GROWTH_PER_S: f64 = 100.0;

/// ... but no more than this part of the rate at the cut: a small quota is not to be overshot by much.
pub const RATE_GROWTH_SHARE_PER_S: f64 = 0.2;

/// A cut is to the rate that the service served meanwhile, but at least to this part of the rate before. A tenth below
/// the quota the service's bucket refills, and the next second's growth drains it again: between two cuts nothing is lost.
pub const RATE_CUT_LEAST: f64 = 0.9;

/// ... and at most to this part of it: what was served is a measurement, and may be one of a bad moment.
pub const RATE_CUT_MOST: f64 = 0.2;

/// The slowest rate, in posts per second: below it a pass would not learn that the throttling has ended.
pub const RATE_MIN_PER_S: f64 = 1.0;

/// A rate that was not cut for so long is forgotten. The service's bucket is full again after half a second (section 7.1).
pub const RATE_KEPT: Duration = Duration::from_secs(30);

/// The shortest time between the first answer after a cut and the next cut.
pub const ROUND_TIME_MIN: Duration = Duration::from_millis(100);

/// Answers older than this do not count for a cut.
pub const ROUND_TIME_MAX: Duration = Duration::from_secs(1);

/// Posts that must be throttled within a round for a cut ...
pub const ROUND_THROTTLED_MIN: u32 = 8;

/// ... and the share of the round's answers that they must be, in percent. A client that reads too slowly is a 429 too
/// (fact C3), and a few of those say nothing about the quota.
pub const ROUND_THROTTLED_PERCENT: u32 = 2;

/// How much of a pace that was not used may be caught up on. Timers are a millisecond coarse.
pub const PACE_SLACK: Duration = Duration::from_millis(10);

/// The pace of all posts of a process. Without throttling there is none, and posts begin as soon as the window has a place.
#[derive(Debug)]
pub(crate) struct Pace {
    limit: Option<Limit>,
    round: Round,
}

/// What an answer says about the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The service took the request, whatever it answered.
    Served,
    /// 429, and not for a connection that seems to be the reason itself.
    Throttled,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    per_s_at_cut: f64,
    cut_at: Instant,
    /// When the next post may begin.
    next_at: Instant,
}

/// The answers since the last cut, or since the last round ended without one.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Posts that began earlier went out at the rate before the cut, and say nothing about this one.
    counts_from: Instant,
    first_answer_at: Option<Instant>,
    served: u32,
    throttled: u32,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { limit: None, round: Round::new(now) }
    }

    /// Reserves the next turn: when a post may begin, now or later. Whoever reserved must wait for it, or let it go.
    pub(crate) fn reserve(&mut self, now: Instant) -> Instant {
        self.forget_old(now);
        self.limit.as_mut().map_or(now, |limit| limit.reserve(now))
    }

    /// Takes a turn if one may be had at once.
    pub(crate) fn try_take(&mut self, now: Instant) -> bool {
        match &mut self.limit {
            None => true,
            Some(limit) => limit.next_at <= now && limit.reserve(now) <= now,
        }
    }

    /// The rate in posts per second, `None` without a limit.
    pub(crate) fn per_s(&self, now: Instant) -> Option<f64> {
        self.limit.map(|limit| limit.per_s(now))
    }

    /// Counts the answer to a post that began then, and says whether the rate was cut for it.
    pub(crate) fn answered(&mut self, began_at: Instant, now: Instant, signal: Signal) -> bool {
        if began_at < self.round.counts_from {
            return false;
        }
        let round = &mut self.round;
        let mut took = now.saturating_duration_since(*round.first_answer_at.get_or_insert(now));
        if took > ROUND_TIME_MAX {
            *round = Round { first_answer_at: Some(now), ..Round::new(round.counts_from) };
            took = Duration::ZERO;
        }
        match signal {
            Signal::Served => round.served += 1,
            Signal::Throttled => round.throttled += 1,
        }
        let cuts = signal == Signal::Throttled && took >= ROUND_TIME_MIN && round.is_throttled();
        if cuts {
            self.cut(now, took);
        }
        cuts
    }

    fn cut(&mut self, now: Instant, took: Duration) {
        let served = f64::from(self.round.served) / took.as_secs_f64();
        let offered = f64::from(self.round.served + self.round.throttled) / took.as_secs_f64();
        // A limit that the window or the audience did not use up says nothing.
        let before = self.per_s(now).map_or(offered, |limit| limit.min(offered));
        let per_s = served.clamp(before * RATE_CUT_MOST, before * RATE_CUT_LEAST).max(RATE_MIN_PER_S);
        let next_at = self.limit.map_or(now, |limit| limit.next_at);
        self.limit = Some(Limit { per_s_at_cut: per_s, cut_at: now, next_at });
        self.round = Round::new(now);
        tracing::debug!(posts_per_s = per_s, before, served, "throttled, rate cut");
    }

    fn forget_old(&mut self, now: Instant) {
        if self.limit.is_some_and(|limit| now.saturating_duration_since(limit.cut_at) > RATE_KEPT) {
            self.limit = None;
        }
    }
}

impl Limit {
    fn per_s(&self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.cut_at);
        let growth_per_s = RATE_GROWTH_PER_S.min(RATE_GROWTH_SHARE_PER_S * self.per_s_at_cut);
        self.per_s_at_cut + growth_per_s * since.as_secs_f64()
    }

    fn reserve(&mut self, now: Instant) -> Instant {
        let caught_up = now.checked_sub(PACE_SLACK).map_or(now, |earliest| self.next_at.max(earliest));
        self.next_at = caught_up + Duration::from_secs_f64(1.0 / self.per_s(now));
        caught_up
    }
}

impl Round {
    fn new(counts_from: Instant) -> Self {
        Self { counts_from, first_answer_at: None, served: 0, throttled: 0 }
    }

    fn is_throttled(&self) -> bool {
        let answers = u64::from(self.served) + u64::from(self.throttled);
        self.throttled >= ROUND_THROTTLED_MIN
            && u64::from(self.throttled) * 100 >= u64::from(ROUND_THROTTLED_PERCENT) * answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Answers spread over a time, of which every so manieth is a 429.
    fn answers(pace: &mut Pace, from: Instant, time: Duration, count: u32, throttled_every: u32) -> Instant {
        for n in 0..count {
            let at = from + time * n / (count - 1);
            let throttled = throttled_every > 0 && n % throttled_every == 0;
            pace.answered(at, at, if throttled { Signal::Throttled } else { Signal::Served });
        }
        from + time
    }

    fn per_s(pace: &Pace, now: Instant) -> f64 {
        pace.per_s(now).expect("it was cut")
    }

    #[test]
    fn nothing_is_paced_until_it_is_throttled() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let now = answers(&mut pace, start, 500 * MS, 1_000, 0);
        assert_eq!((pace.per_s(now), pace.reserve(now), pace.try_take(now)), (None, now, true));
    }

    #[test]
    fn a_few_slow_readers_are_not_a_throttled_account() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let now = answers(&mut pace, start, 900 * MS, 1_000, 60);
        assert_eq!(pace.per_s(now), None, "17 of 1,000 are under the share");
        let mut pace = Pace::new(start);
        let now = answers(&mut pace, start, 900 * MS, 14, 2);
        assert_eq!(pace.per_s(now), None, "7 of 14 are too few to tell");
    }

    #[test]
    fn the_first_cut_is_bounded_and_the_rate_grows_by_the_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        // 2,000/s are offered, of which three quarters are throttled.
        for n in 0..=200_u32 {
            let at = start + MS * n / 2;
            pace.answered(at, at, if n % 4 == 1 { Signal::Served } else { Signal::Throttled });
        }
        let now = start + 100 * MS;
        let cut = per_s(&pace, now);
        assert!((480.0..520.0).contains(&cut), "what was served, not {cut}");
        let later = per_s(&pace, now + 1_000 * MS);
        let growth = RATE_GROWTH_PER_S.min(RATE_GROWTH_SHARE_PER_S * cut);
        assert!((later - cut - growth).abs() < 1e-6, "{later} after {cut}");
    }

    #[test]
    fn a_cut_is_by_a_tenth_at_least_and_by_four_fifths_at_most() {
        let check = |throttled_every, part: f64| {
            let start = Instant::now();
            let mut pace = Pace::new(start);
            let now = answers(&mut pace, start, 100 * MS, 401, throttled_every);
            let cut = per_s(&pace, now) / 4_010.0;
            assert!((cut - part).abs() < 1e-6, "{cut} in place of {part}");
        };
        check(1, RATE_CUT_MOST);
        check(40, RATE_CUT_LEAST);
    }

    #[test]
    fn a_round_has_at_most_one_cut() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let now = answers(&mut pace, start, 100 * MS, 400, 1);
        let cut = per_s(&pace, now);
        // What began before the cut was caused by the rate before it, however many they are and however late they answer.
        for n in 0..400 {
            pace.answered(start + 99 * MS, now + MS * n, Signal::Throttled);
        }
        assert!(per_s(&pace, now) >= cut);
        // What began after it counts, but not before a round trip's worth was seen.
        for n in 0..99 {
            pace.answered(now, now + MS * n, Signal::Throttled);
        }
        assert!(per_s(&pace, now) >= cut);
        pace.answered(now, now + 100 * MS, Signal::Throttled);
        assert!(per_s(&pace, now + 100 * MS) <= cut * 0.6);
    }

    #[test]
    fn turns_are_as_far_apart_as_the_rate_says_and_little_is_caught_up_on() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.limit = Some(Limit { per_s_at_cut: 500.0, cut_at: start, next_at: start });
        assert_eq!(pace.reserve(start), start);
        assert_eq!(pace.reserve(start), start + 2 * MS);
        assert!(!pace.try_take(start + 3 * MS), "the next is at four");
        assert!(pace.try_take(start + 5 * MS));
        // After a second of nothing, ten milliseconds' worth at most may begin at once.
        let now = start + Duration::from_secs(1);
        let at_once = (0..100).take_while(|_| pace.try_take(now)).count();
        assert!((6..=7).contains(&at_once), "{at_once} at 600/s");
    }

    #[test]
    fn the_rate_has_a_floor_and_is_forgotten() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        for _ in 0..40 {
            now = answers(&mut pace, now, 999 * MS, 10, 1) + MS;
        }
        assert!(per_s(&pace, now) < 200.0);
        pace.limit = Some(Limit { per_s_at_cut: RATE_MIN_PER_S, cut_at: now, next_at: now });
        let later = answers(&mut pace, now, 100 * MS, 10, 1);
        assert!(per_s(&pace, later) >= RATE_MIN_PER_S);
        assert!(pace.reserve(later + RATE_KEPT - MS) > start);
        assert!(pace.per_s(later).is_some());
        pace.reserve(later + RATE_KEPT + MS);
        assert_eq!(pace.per_s(later), None);
    }
}
