//! Command lines and scenarios that make no sense, and reports that cannot be written: one sentence and its exit code.

use crate::program::{play, run, shipped, start};

#[tokio::test]
async fn a_wrong_command_line_is_64() {
    assert_eq!(run(&[]).await.code, 64);
    assert_eq!(run(&["--no-such-flag"]).await.code, 64);
    assert_eq!(run(&["echo"]).await.code, 64);
    play("nonsense", &[]).await.refused(64, "test.toml: line 1: ");
    let scenario = |change: &str| {
        format!(
            "description='x'\ntarget='{}'\nusers={{count=1,connects_per_second=1}}\nupdates={{topics=1,per_second=1}}\nphases={{hold='1s'}}\n{change}",
            shipped("apps/notify.toml")
        )
    };
    play(&scenario("nope=1"), &[]).await.refused(64, "test.toml: nope: unknown key `nope`");
    play(&scenario(""), &[]).await.refused(64, "no target: give --target URL or --ready-file FILE");
    play(&scenario(""), &["--set=users.count=0"]).await.refused(64, "users.count is 0");
    play(&scenario(""), &["--threshold=p99(push)"]).await.refused(64, "`p99(push)` is no threshold");
    play(&scenario(""), &["--target=http://127.0.0.1/"]).await.refused(64, "is no WebSocket URL");
    play(&scenario(""), &["--ready-file=/nonexistent/ready.json"])
        .await
        .refused(69, "cannot read the ready file");
    play(&scenario(""), &["--baseline=/nonexistent"]).await.refused(64, "cannot read /nonexistent");
}

#[tokio::test]
async fn more_clients_than_descriptors_are_refused_in_a_sentence() {
    let scenario = format!(
        "description='x'\ntarget='{}'\nusers={{count=900000,connects_per_second=100000}}\nupdates={{topics=1,per_second=1}}\nphases={{hold='1s'}}",
        shipped("apps/notify.toml")
    );
    let finished = play(&scenario, &["--target=ws://127.0.0.1:9/"]).await;
    finished.refused(64, "file descriptors");
}

#[tokio::test]
async fn a_name_without_an_address_is_69() {
    let scenario = std::fs::read_to_string(shipped("chat.toml")).unwrap();
    let scenario = scenario.replace("apps/chat.toml", &shipped("apps/chat.toml"));
    play(&scenario, &["--target=ws://no-such-host.invalid/"])
        .await
        .refused(69, "cannot find `no-such-host.invalid`");
}

#[tokio::test]
async fn a_report_that_cannot_be_written_is_73_before_anything_starts() {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_dunlin-load"));
    command.args(["run", &shipped("chat.toml"), "--target=ws://127.0.0.1:9/", "--out=/dev/full/run"]);
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(said.contains("cannot write /dev/full/run") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn a_full_disk_for_another_report_is_73() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use futures_util::{SinkExt, StreamExt};
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            socket.send(message).await.unwrap();
        }
    });
    let arguments =
        ["echo", "--ws", &url, "--message", "{n}", "--count", "5", "--warm-up", "1", "--json", "/dev/full"];
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_dunlin-load"));
    let output = command.args(arguments).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(said.contains("cannot write /dev/full: No space left on device"), "{said}");
}

#[tokio::test]
async fn help_is_ours_and_not_gooses() {
    for args in [&["--help"][..], &["run", "--help"]] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_dunlin-load"));
        let output = command.args(args).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && !text.to_lowercase().contains("telnet"), "{text}");
    }
    drop(start("nonsense", &[]));
}
