//! Ratios that hold on a shared machine: a subject and its bare reference, measured in turns in one run.
//!
//! Run old, run new, compare wall time: on two shared cores that differs by a third from itself. Blocks in turns (subject,
//! reference, reference, subject) of a few milliseconds, counted in processor time, differ by a few tenths of a per cent. The
//! result is the geometric mean of the ratios of such quads with a bootstrap 95 % interval.
//!
//! A [`Group`] lists its benchmarks; each is built only when it is run. A [`Pair`] has two sides of [`Work`]:
//!
//! ```
//! use std::hint::black_box;
//!
//! use dunlin_benches::pairs::{Group, Pair, Work};
//!
//! fn sum(group: &mut Group) {
//!     group.pair("sum/1k", || {
//!         let numbers: Vec<u64> = (0..1_000).collect();
//!         let copy = numbers.clone();
//!         Pair::new(
//!             Work::each(move || black_box(&numbers).iter().copied().reduce(|a, b| a + b), |sum| assert_eq!(*sum, Some(499_500))),
//!             "plain loop",
//!             Work::each(move || black_box(&copy).iter().sum::<u64>(), |sum| assert_eq!(*sum, 499_500)),
//!         )
//!     });
//! }
//! let mut group = Group::new("sum");
//! sum(&mut group);
//! group.check();
//! ```
//!
//! # Which work
//!
//! [`Work::each`] calls a closure again and again, [`Work::batched`] one that uses its input up. [`Work::custom`] is for all
//! else, such as messages through a socket: it measures what it wants by the [`Stopwatch`], and tells each round trip to it
//! where latency counts. A server in a thread of its own hands its [`ThreadClock`] out, and [`Work::on`] counts that thread
//! instead of the client:
//!
//! ```
//! use std::{io::{Read, Write}, net::{TcpListener, TcpStream}, sync::mpsc::sync_channel, thread};
//!
//! use dunlin_benches::pairs::{Basis, Clock, Pair, ThreadClock, Work};
//!
//! /// Echoes 128 bytes through a server of so many bytes at a time, by the server's processor time.
//! fn echo(buffer_bytes: usize) -> Work {
//!     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//!     let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
//!     client.set_nodelay(true).unwrap();
//!     let (sender, server) = sync_channel(1);
//!     thread::spawn(move || {
//!         sender.send(ThreadClock::here()).unwrap();
//!         let (mut socket, mut buffer) = (listener.accept().unwrap().0, vec![0; buffer_bytes]);
//!         socket.set_nodelay(true).unwrap();
//!         while let Ok(bytes @ 1..) = socket.read(&mut buffer) {
//!             socket.write_all(&buffer[..bytes]).unwrap();
//!         }
//!     });
//!     let message: [u8; 128] = std::array::from_fn(|n| n as u8);
//!     let echo = move |iterations, stopwatch: &mut dunlin_benches::pairs::Stopwatch| {
//!         let mut answer = [0; 128];
//!         let started = stopwatch.start();
//!         for _ in 0..iterations {
//!             let sent = std::time::Instant::now();
//!             client.write_all(&message).unwrap();
//!             client.read_exact(&mut answer).unwrap();
//!             stopwatch.latency(sent.elapsed());
//!             assert_eq!(answer, message, "every echo is checked byte for byte");
//!         }
//!         stopwatch.stop(&started);
//!         iterations
//!     };
//!     Work::custom(echo).on(Clock::threads([server.recv().unwrap()]))
//! }
//!
//! let mut group = dunlin_benches::pairs::Group::new("gateway");
//! group.pair("echo/128B", || Pair::new(echo(64), "one read", echo(4_096)).by(Basis::Latency));
//! group.check();
//! ```
//!
//! What is no ratio of times, such as bytes per connection, is a [`Figure`].
//!
//! # What makes a result worthless
//!
//! - A side whose result is wrong, or that did less than it was asked to: it panics, and nothing is measured.
//! - A reference that is beaten: unless it is called a [rival](Pair::rival), it is the floor of the subject.
//! - A side of which twice the iterations do not cost twice as much: it measures its set-up, or nothing.
//!
//! Such a result is reported as a defect of the benchmark, and the program ends with code 1. The tests of this package ask the
//! second and third of every pair as well ([`Group::check`]), and [`doubles`] asks whether the figure follows the size of the
//! work.

mod clock;
mod doubling;
mod group;
mod measure;
mod program;
mod result;
mod statistics;
mod work;

pub use dunlin_report::Unit;

pub use clock::{Clock, Started, Stopwatch, ThreadClock};
pub use doubling::{doubles, figure_doubles};
pub use group::{Entry, Figure, Group, Pair};
pub use measure::Effort;
pub use program::main;
pub use result::{Basis, Defect, FigureResult, Measured, PairResult, Ratios, ReferenceKind, Side};
pub use statistics::{Ratio, Summary};
pub use work::Work;
