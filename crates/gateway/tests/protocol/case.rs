//! One case: what a client sends after its handshake, and what has to come back. Each is sent whole, byte by byte, and in parts
//! that a seed decides: how the network cuts a stream must not matter.

use dunlin_gateway::{Integration, IntegrationResponse, Mapping, RouteConfig, Templates};
use fastrand::Rng;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::yield_now,
};

use crate::harness::{Stack, read_head, route, soon, status_of, two_way, upgrade_lines};

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CONTINUE: u8 = 0x0;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// The bit of a message's last frame.
pub(crate) const FIN: u8 = 0x80;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Longer streams are not sent byte by byte.
const SINGLE_BYTES_MAX: usize = 2_000;

/// How often each stream is cut at random.
const CUTS: u64 = 3;

/// What has to come back.
#[derive(Clone)]
pub(crate) struct Expected {
    texts: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
    end: End,
}

#[derive(Clone, PartialEq, Debug)]
enum End {
    /// The connection goes on.
    Open,
    /// The gateway closes with this code. What it had answered before comes first.
    Closed(u16),
    /// The client closed; its own payload comes back. Answers may be lost: nobody waits for them.
    Echoed(Vec<u8>),
}

/// The connection goes on, and nothing is answered.
pub(crate) fn open() -> Expected {
    Expected { texts: Vec::new(), pongs: Vec::new(), end: End::Open }
}

/// These texts come back, and the connection goes on.
pub(crate) fn echoes<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Expected {
    Expected { texts: texts.into_iter().map(|text| text.as_ref().to_vec()).collect(), ..open() }
}

/// The gateway closes with this code.
pub(crate) fn closed(code: u16) -> Expected {
    Expected { end: End::Closed(code), ..open() }
}

/// The payload of the client's close frame comes back.
pub(crate) fn echoed_close(payload: &[u8]) -> Expected {
    Expected { end: End::Echoed(payload.to_vec()), ..open() }
}

impl Expected {
    pub(crate) fn pong(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.pongs.push(payload.as_ref().to_vec());
        self
    }

    /// After this text was echoed.
    pub(crate) fn after(mut self, text: &str) -> Self {
        self.texts.insert(0, text.into());
        self
    }
}

/// A masked frame; the first byte is flags and opcode.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = match payload.len() {
        short @ 0..=125 => vec![0x80 | u8::try_from(short).unwrap()],
        medium @ 126..=0xffff => [&[0x80 | 126][..], &u16::try_from(medium).unwrap().to_be_bytes()].concat(),
        long => [&[0x80 | 127][..], &u64::try_from(long).unwrap().to_be_bytes()].concat(),
    };
    frame_with_length(first, &length, payload)
}

/// A masked frame whose length is written as given, the bit of the mask included.
pub(crate) fn frame_with_length(first: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
    let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [&[first], length, &MASK].concat().into_iter().chain(masked).collect()
}

/// A whole text message in one frame.
pub(crate) fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}

/// The payload of a close frame.
pub(crate) fn close_payload(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_ref()].concat()
}

/// A close frame.
pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | CLOSE, close_payload(code, reason))
}

/// Runs cases on one gateway that echoes every message by itself, so that the order of answers is that of the messages.
pub(crate) async fn check<N: AsRef<str>>(cases: impl IntoIterator<Item = (N, Vec<u8>, Expected)>) {
    let stack = Stack::start(vec![echo(), route("$disconnect")]).await;
    for (name, bytes, expected) in cases {
        let name = name.as_ref();
        check_one(&stack, name, &[&bytes], &expected).await;
        if (2..=SINGLE_BYTES_MAX).contains(&bytes.len()) {
            let singles: Vec<&[u8]> = bytes.chunks(1).collect();
            check_one(&stack, &format!("{name}, byte by byte"), &singles, &expected).await;
        }
        for seed in 0..CUTS {
            let parts = cut(&bytes, &mut Rng::with_seed(seed));
            check_one(&stack, &format!("{name}, cut with seed {seed}"), &parts, &expected).await;
        }
    }
}

/// The message is kept in `$context`, which is the only way for a MOCK to answer with it.
fn echo() -> RouteConfig {
    let templates = |template: &str| Templates {
        by_key: vec![("$default".to_owned(), template.to_owned())],
        ..Templates::default()
    };
    let response = IntegrationResponse {
        templates: templates("$context.message"),
        ..IntegrationResponse::new("$default")
    };
    let request = templates("#set($context.message = $input.body){\"statusCode\": 200}");
    let mock = Mapping { request, responses: vec![response], ..Mapping::default() };
    RouteConfig { integration: Some(Integration::Mock(mock)), ..two_way("$default") }
}

fn cut<'b>(bytes: &'b [u8], rng: &mut Rng) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = (0..rng.usize(1..20)).map(|_| rng.usize(..=bytes.len())).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).filter(|part| !part.is_empty()).collect()
}

/// What came back.
#[derive(Default)]
struct Answers {
    texts: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
    close: Option<Vec<u8>>,
}

async fn check_one(stack: &Stack, name: &str, parts: &[&[u8]], expected: &Expected) {
    let (mut reader, mut writer) = connect(stack).await;
    let is_open = expected.end == End::Open;
    let mut answers = Answers::default();
    // Both at once: nobody may wait for the other to read first.
    let write = async {
        for part in parts {
            if writer.write_all(part).await.is_err() {
                // The gateway has closed already.
                return;
            }
            yield_now().await;
        }
        if is_open {
            writer.write_all(&text("probe")).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    };
    let read = async {
        while let Some((first, payload)) = read_frame(&mut reader, name).await {
            assert!(answers.close.is_none(), "{name}: frame {first:#x} after the close frame");
            match first {
                0x81 if is_open && payload == b"probe" => break,
                0x81 => answers.texts.push(payload),
                // C11: a long message takes several frames.
                0x01 => {
                    let mut whole = payload;
                    loop {
                        let (first, more) = read_frame(&mut reader, name).await.expect("the rest");
                        whole.extend(more);
                        match first {
                            0x80 => break,
                            0x00 => {}
                            other => panic!("{name}: frame {other:#x} inside a message"),
                        }
                    }
                    answers.texts.push(whole);
                }
                0x8A => answers.pongs.push(payload),
                0x88 => answers.close = Some(payload),
                other => panic!("{name}: unexpected frame {other:#x}"),
            }
        }
    };
    soon(async { tokio::join!(write, read) }).await;

    assert_eq!(texts(&answers.pongs), texts(&expected.pongs), "{name}: pongs");
    let disconnect_code = match &expected.end {
        End::Open => {
            writer.write_all(&close(1000, "")).await.unwrap();
            let (first, payload) = soon(read_frame(&mut reader, name)).await.expect("a close frame");
            assert_eq!((first, payload), (0x88, close_payload(1000, "")), "{name}");
            assert!(soon(read_frame(&mut reader, name)).await.is_none(), "{name}: frames after the close");
            1000
        }
        End::Closed(code) => {
            let close =
                answers.close.unwrap_or_else(|| panic!("{name}: the stream ended without a close frame"));
            assert!(close.len() >= 2, "{name}: a close frame without a code");
            assert_eq!(u16::from_be_bytes([close[0], close[1]]), *code, "{name}: code");
            assert!(std::str::from_utf8(&close[2..]).is_ok(), "{name}: reason");
            *code
        }
        End::Echoed(payload) => {
            assert_eq!(answers.close.as_ref(), Some(payload), "{name}: close frame");
            payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
        }
    };
    let (got, wanted) = (texts(&answers.texts), texts(&expected.texts));
    match expected.end {
        End::Echoed(_) => assert!(wanted.starts_with(&got), "{name}: {got:?} is not the start of {wanted:?}"),
        _ => assert_eq!(got, wanted, "{name}: texts"),
    }
    drop((reader, writer));
    // X4: the function learns the code that the client saw.
    let event: Value = stack.script.json("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], disconnect_code, "{name}: $disconnect");
}

/// Short enough to print.
fn texts(payloads: &[Vec<u8>]) -> Vec<String> {
    let short = |payload: &Vec<u8>| match payload.len() {
        0..=200 => payload.escape_ascii().to_string(),
        long => format!(
            "{long} bytes, {:x}",
            payload.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte))
        ),
    };
    payloads.iter().map(short).collect()
}

async fn connect(stack: &Stack) -> (BufReader<OwnedReadHalf>, OwnedWriteHalf) {
    let mut stream: TcpStream = stack.tcp().await;
    let request = format!("GET /dev HTTP/1.1\r\n{}\r\n", upgrade_lines(&stack.host()));
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_head(&mut stream).await), 101);
    let (reader, writer) = stream.into_split();
    (BufReader::new(reader), writer)
}

/// A frame of the gateway: its first byte and its payload; none at the end of the stream.
async fn read_frame(reader: &mut BufReader<OwnedReadHalf>, name: &str) -> Option<(u8, Vec<u8>)> {
    // A reset after the last frame is an end too.
    let first = reader.read_u8().await.ok()?;
    let length = reader.read_u8().await.unwrap_or_else(|error| panic!("{name}: half a frame: {error}"));
    assert_eq!(length & 0x80, 0, "{name}: a server does not mask");
    let length = match length {
        126 => usize::from(reader.read_u16().await.unwrap()),
        127 => usize::try_from(reader.read_u64().await.unwrap()).unwrap(),
        short => usize::from(short),
    };
    assert!(length <= 32 * 1024, "{name}: C11: a frame of {length} bytes");
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).await.unwrap_or_else(|error| panic!("{name}: half a frame: {error}"));
    Some((first, payload))
}
