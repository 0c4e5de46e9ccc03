//! R12 and R13: 32 KB a frame, 128 KB a message, in payload bytes.

use crate::case::{CONTINUE, FIN, TEXT, check, closed, echoes, frame, frame_with_length, text};

const FRAME_MAX: usize = 32 * 1024;

fn parts(sizes: &[usize]) -> Vec<u8> {
    let frames = sizes.iter().enumerate().flat_map(|(index, size)| {
        let opcode = if index == 0 { TEXT } else { CONTINUE };
        let last = if index + 1 == sizes.len() { FIN } else { 0 };
        frame(last | opcode, vec![b'x'; *size])
    });
    frames.collect()
}

#[tokio::test]
async fn the_largest_pass() {
    let cases = [
        &[FRAME_MAX][..],
        &[FRAME_MAX, FRAME_MAX - 1],
        &[FRAME_MAX, FRAME_MAX],
        &[FRAME_MAX, FRAME_MAX, FRAME_MAX, FRAME_MAX - 1],
        &[FRAME_MAX; 4],
        &[0, FRAME_MAX, FRAME_MAX, FRAME_MAX, 1, FRAME_MAX - 1],
    ];
    check(cases.map(|sizes| {
        let total = sizes.iter().sum();
        (format!("parts of {sizes:?} bytes"), parts(sizes), echoes(["x".repeat(total)]))
    }))
    .await;
}

#[tokio::test]
async fn larger_ones_close_with_1009() {
    let cases = [
        &[FRAME_MAX + 1][..],
        &[65_535],
        &[65_536],
        &[1, FRAME_MAX + 1],
        &[FRAME_MAX, FRAME_MAX, FRAME_MAX, FRAME_MAX, 1],
        &[FRAME_MAX, FRAME_MAX, FRAME_MAX, FRAME_MAX, 0, 1, 1],
    ];
    check(cases.map(|sizes| (format!("parts of {sizes:?} bytes"), parts(sizes), closed(1009)))).await;
}

/// A client that announces too much is told at once: nothing of it is read, and no room is made for it.
#[tokio::test]
async fn an_announcement_is_enough() {
    let announced = |length: u64| {
        frame_with_length(FIN | TEXT, &[&[0x80 | 127][..], &length.to_be_bytes()].concat(), b"")
    };
    let mut cases: Vec<_> = [FRAME_MAX as u64 + 1, 65_536, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX]
        .into_iter()
        .map(|length| (format!("{length} bytes"), announced(length), closed(1009)))
        .collect();
    let after = [text("good"), announced(1 << 40)].concat();
    cases.push(("a terabyte after a good text".to_owned(), after, closed(1009).after("good")));
    check(cases).await;
}
