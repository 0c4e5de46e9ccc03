//! Changes inputs a little, by a seed: the same seed makes the same inputs.

use fastrand::Rng;

use crate::Target;

/// Makes inputs of a target's seeds.
#[derive(Debug)]
pub struct Mutator {
    rng: Rng,
    target: Target,
    seeds: Vec<Vec<u8>>,
}

/// Changes of one input at most: more leave nothing that means something.
const CHANGES_MAX: usize = 6;

/// Bytes that one change moves, removes or repeats at most.
const SPAN_BYTES_MAX: usize = 64;

/// Bytes at the bounds of something.
const BYTES: [u8; 14] = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x22, 0x5c, 0x7e, 0x7f, 0x80, 0xc0, 0xed, 0xf4, 0xff];

impl Mutator {
    /// Makes inputs of these seeds.
    pub fn new(target: Target, seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        Mutator { rng: Rng::with_seed(seed), target, seeds }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.pick_seed();
        for _ in 0..self.rng.usize(1..=CHANGES_MAX) {
            self.change(&mut input);
            input.truncate(self.target.input_bytes_max);
        }
        input
    }

    fn pick_seed(&mut self) -> Vec<u8> {
        self.rng.choice(&self.seeds).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let at = rng.usize(..=input.len());
        let end = at + rng.usize(..=SPAN_BYTES_MAX.min(input.len() - at));
        match rng.u8(..10) {
            0 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
            1 if at < input.len() => input[at] = rng.u8(..),
            2 => input.insert(at, BYTES[rng.usize(..BYTES.len())]),
            3 => drop(input.drain(at..end)),
            4 => {
                // The same again, perhaps many times: nesting and length.
                let span = input[at..end].to_vec();
                let times = if rng.u8(..8) == 0 { rng.usize(..400) } else { 1 };
                let room = self.target.input_bytes_max.saturating_sub(input.len());
                let copies = span.iter().copied().cycle().take((span.len() * times).min(room));
                input.splice(at..at, copies);
            }
            5 => {
                // A part of another seed.
                let other = self.pick_seed();
                let from = self.rng.usize(..=other.len());
                let to = self.rng.usize(from..=other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            6 => input.truncate(at),
            _ => {
                let words = self.target.words;
                let word = rng.choice(words).copied().unwrap_or_default();
                let replaced = if rng.bool() { at..end } else { at..at };
                input.splice(replaced, word.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TARGETS;

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let inputs = |seed| {
            let mut mutator = Mutator::new(TARGETS[0], vec![b"one".to_vec(), b"another".to_vec()], seed);
            std::iter::repeat_with(|| mutator.next_input()).take(500).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        assert!(inputs(3).iter().all(|input| input.len() <= TARGETS[0].input_bytes_max));
    }
}
