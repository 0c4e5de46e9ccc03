//! An app that is not ours: `examples/chat.rs`, where everything that is said goes to everybody.

use dunlin_loadtest::measured::Metric;
use tokio::net::TcpListener;

use crate::program::{play, shipped};
use crate::swarm::{ended, reach, times};

#[path = "../../examples/chat.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
pub(crate) mod server;

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_what_one_of_them_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("--target=ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(server::serve(listener));
    let scenario = std::fs::read_to_string(shipped("chat.toml")).unwrap();
    let scenario = scenario.replace("apps/chat.toml", &shipped("apps/chat.toml"));
    let finished = play(&scenario, &[&target, "--seconds=2", "--set=updates.arrivals=constant"]).await;
    let measured = finished.measured();
    let reach = reach(&measured);
    // Thirty messages to twenty people, whoever said them included.
    assert_eq!((reach.expected, reach.received), (600, 600), "{}", finished.stderr);
    assert_eq!((reach.duplicates, reach.out_of_order), (0, 0));
    assert_eq!(times(&measured, Metric::Push).0.len(), 600);
    assert_eq!(measured.errors, []);
    assert_eq!(measured.run.cause.as_deref(), Some("a client that follows the topic"));
    // The shipped threshold on the latency is for a quiet machine.
    if measured.is_met() {
        ended(finished.code, &measured, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_something_need_not_hear_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("--target=ws://{}/others", listener.local_addr().unwrap());
    tokio::spawn(server::serve(listener));
    let scenario = std::fs::read_to_string(shipped("chat.toml")).unwrap();
    let scenario = scenario.replace("apps/chat.toml", &shipped("apps/chat.toml"));
    let others = [
        "--seconds=2",
        "--set=updates.arrivals=constant",
        "--set=target.cause.socket.returns_to_sender=false",
    ];
    let finished = play(&scenario, &[&[&target[..]][..], &others].concat()).await;
    let measured = finished.measured();
    let reach = reach(&measured);
    assert_eq!((reach.expected, reach.received), (570, 570), "{}", finished.stderr);
    // Receipts are expected, and are neither pushes nor answers.
    assert_eq!(measured.errors, []);
}
