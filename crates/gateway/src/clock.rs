//! The time that the gateway lives by, which may be ahead of the world's.

use std::{
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{Clock, Ticks};

/// How far the clock may be set ahead in all: ours. Ten years, so that every date stays one that clients can print.
pub(crate) const AHEAD_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// The clocks of the configuration, and how far they have been set ahead.
///
/// Ahead are idle times, ages, timeouts of integrations, refills of throttles, ids and the times in events. Signatures
/// and the `Date` header stay with the world's: who signs has a clock of its own.
pub(crate) struct Time {
    clock: Clock,
    ticks: Ticks,
    /// Milliseconds; looked at for every message.
    ahead: AtomicU64,
    /// Wakes the waits below.
    advanced: watch::Sender<()>,
    /// Whether anybody can set it ahead; otherwise nothing listens for that.
    is_adjustable: bool,
}

/// The clock cannot be set that far ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooFar;

impl Time {
    pub(crate) fn new(clock: Clock, ticks: Ticks, is_adjustable: bool) -> Self {
        Time { clock, ticks, ahead: AtomicU64::new(0), advanced: watch::Sender::new(()), is_adjustable }
    }

    /// The world's time.
    pub(crate) fn real(&self) -> SystemTime {
        (self.clock)()
    }

    /// The world's time in milliseconds since 1970.
    pub(crate) fn real_ms(&self) -> u64 {
        epoch_ms(self.real())
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        epoch_ms(self.real()).saturating_add(self.ahead.load(Relaxed))
    }

    /// Time on a clock that only goes forward.
    pub(crate) fn ticks(&self) -> Duration {
        (self.ticks)() + self.ahead()
    }

    /// How far the clock is ahead of the world's.
    pub(crate) fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead.load(Relaxed))
    }

    /// Sets the clock ahead, and with it every wait below; says how far it is ahead now.
    pub(crate) fn advance(&self, by: Duration) -> Result<Duration, TooFar> {
        if !self.is_adjustable {
            return Err(TooFar);
        }
        let sum = |ahead: u64| ahead.checked_add(millis(by)).filter(|sum| *sum <= millis(AHEAD_MAX));
        let before = self.ahead.fetch_update(Relaxed, Relaxed, sum).map_err(|_| TooFar)?;
        self.advanced.send_replace(());
        Ok(Duration::from_millis(before) + by)
    }

    /// What the future gives, unless `limit` passes before.
    pub(crate) async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut advanced = self.is_adjustable.then(|| self.advanced.subscribe());
        let (started, ahead) = (Instant::now(), self.ahead());
        loop {
            let jumped = self.ahead().saturating_sub(ahead);
            tokio::select! {
                biased;
                output = &mut future => return Some(output),
                () = sleep_until(started + limit.saturating_sub(jumped)) => return None,
                () = changed(&mut advanced) => {}
            }
        }
    }

    /// Waits for `duration` to pass.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.timeout(duration, std::future::pending::<()>()).await;
    }
}

/// Waits for the clock to be set ahead, if that is possible.
async fn changed(advanced: &mut Option<watch::Receiver<()>>) {
    match advanced {
        // The sender lives as long as the clock.
        Some(advanced) => drop(advanced.changed().await),
        None => std::future::pending().await,
    }
}

/// Milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn epoch_ms(time: SystemTime) -> u64 {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn time(is_adjustable: bool) -> Time {
        let epoch = UNIX_EPOCH + Duration::from_millis(1_721_807_234_120);
        Time::new(Arc::new(move || epoch), Arc::new(|| Duration::from_millis(5)), is_adjustable)
    }

    #[test]
    fn what_is_ahead_adds_up_to_a_bound() {
        let time = time(true);
        assert_eq!(time.advance(Duration::from_secs(60)), Ok(Duration::from_secs(60)));
        assert_eq!(time.advance(Duration::from_millis(1)), Ok(Duration::from_millis(60_001)));
        assert_eq!(time.advance(AHEAD_MAX), Err(TooFar));
        assert_eq!(time.advance(Duration::MAX), Err(TooFar));
        assert_eq!((time.now_ms(), time.real_ms()), (1_721_807_294_121, 1_721_807_234_120));
        assert_eq!(time.ticks(), Duration::from_millis(60_006));
        let fixed = self::time(false);
        assert_eq!(fixed.advance(Duration::from_secs(1)), Err(TooFar));
        assert_eq!(fixed.now_ms(), 1_721_807_234_120);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_by_itself_or_by_an_advance() {
        let time = Arc::new(time(true));
        let wait = |limit| {
            let time = Arc::clone(&time);
            tokio::spawn(async move { time.timeout(limit, std::future::pending::<()>()).await })
        };
        let started = Instant::now();
        wait(Duration::from_secs(29)).await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_secs(29));

        let (short, long) = (wait(Duration::from_secs(29)), wait(Duration::from_secs(60)));
        tokio::task::yield_now().await;
        let advanced = Instant::now();
        time.advance(Duration::from_secs(30)).unwrap();
        short.await.unwrap();
        assert_eq!(advanced.elapsed(), Duration::ZERO);
        long.await.unwrap();
        assert_eq!(advanced.elapsed(), Duration::from_secs(30));
        assert_eq!(time.timeout(Duration::ZERO, async { 7 }).await, Some(7), "what is there comes first");
    }
}
