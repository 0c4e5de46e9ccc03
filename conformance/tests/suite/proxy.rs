//! A proxy between the suite and the gateway that changes one thing on the way.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::{Bytes, BytesMut};
use dunlin_conformance::{
    Site,
    wire::{Address, Frame, Head, Opcode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinSet,
};

/// What is changed. Texts are replaced wherever they occur.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// In the head of a request.
    Request(&'static str, &'static str),
    /// In the head and the body of an HTTP answer, that of a handshake included.
    Answer(&'static str, &'static str),
    /// The body of answers with this status.
    Body(u16, &'static str),
    /// In text frames of the gateway; "" is a frame with nothing in it.
    Frame(&'static str, &'static str),
    /// The same, in those that contain the first text.
    FrameWith(&'static str, &'static str, &'static str),
    /// In text frames of the client.
    Sent(&'static str, &'static str),
    /// The code of the gateway's close frames.
    Code(u16, u16),
    /// What frames of the gateway are, if they contain the text.
    Kind(&'static str, Opcode, Opcode),
    /// Frames of the gateway say that they are compressed.
    Reserved,
    /// After each frame of the gateway with the first text comes the second.
    Stray(&'static str, &'static str),
    /// Text frames of the gateway with this text do not come.
    Drop(&'static str),
    /// Neither its close frames nor the end after them do.
    Hold,
    /// After a frame of the gateway with this text the connection is lost.
    HangUp(&'static str),
    /// The first byte that a TLS server sends.
    FirstByte(u8, u8),
    /// Nothing.
    Nothing,
}

/// A change, and how often it was made.
pub(crate) struct Changing {
    change: Change,
    pub(crate) made: AtomicUsize,
}

/// Proxies before every address of a site; gone with this.
pub(crate) struct Proxies {
    pub(crate) changing: Arc<Changing>,
    pub(crate) site: Site,
    _serving: JoinSet<()>,
}

impl Proxies {
    pub(crate) async fn before(site: &Site, change: Change) -> Self {
        let changing = Arc::new(Changing { change, made: AtomicUsize::new(0) });
        let mut serving = JoinSet::new();
        let mut ports = HashMap::new();
        for address in site.addresses() {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            ports.insert((address.port, address.is_tls), listener.local_addr().unwrap().port());
            serving.spawn(serve(listener, address.clone(), Arc::clone(&changing)));
        }
        let site = site
            .behind(|address| Address { port: ports[&(address.port, address.is_tls)], ..address.clone() });
        Proxies { changing, site, _serving: serving }
    }
}

async fn serve(listener: TcpListener, upstream: Address, changing: Arc<Changing>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (upstream, changing) = (upstream.clone(), Arc::clone(&changing));
        // An end of the one side is an end of the other; there is nothing else to report.
        connections.spawn(async move { drop(changing.connection(client, &upstream).await) });
    }
}

impl Changing {
    fn made(&self) {
        self.made.fetch_add(1, Relaxed);
    }

    fn replaced(&self, text: &str, from: &str, to: &str) -> Option<String> {
        if !text.contains(from) {
            return None;
        }
        self.made();
        Some(text.replace(from, to))
    }

    async fn connection(&self, client: TcpStream, upstream: &Address) -> io::Result<()> {
        let gateway = TcpStream::connect(upstream.socket()).await?;
        client.set_nodelay(true)?;
        gateway.set_nodelay(true)?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_gateway, mut to_gateway) = gateway.into_split();
        if upstream.is_tls {
            let up = tokio::io::copy(&mut from_client, &mut to_gateway);
            let down = async {
                let mut first = [from_gateway.read_u8().await?];
                if let Change::FirstByte(from, to) = self.change
                    && first[0] == from
                {
                    self.made();
                    first[0] = to;
                }
                to_client.write_all(&first).await?;
                tokio::io::copy(&mut from_gateway, &mut to_client).await
            };
            tokio::select! { up = up => drop(up?), down = down => drop(down?) }
            return Ok(());
        }
        let (head, rest) = read_head(&mut from_client).await?;
        let is_upgrade = head.to_ascii_lowercase().contains("upgrade: websocket");
        let head = match self.change {
            Change::Request(from, to) => self.replaced(&head, from, to).unwrap_or(head),
            _ => head,
        };
        to_gateway.write_all(head.as_bytes()).await?;
        to_gateway.write_all(&rest).await?;
        if !is_upgrade {
            let up = async {
                // Until the answer is there; a client that closes its half still waits for it.
                let _ = tokio::io::copy(&mut from_client, &mut to_gateway).await;
                std::future::pending::<io::Result<()>>().await
            };
            let down = async {
                let (head, rest) = read_head(&mut from_gateway).await?;
                self.answer(head, rest, &mut from_gateway, &mut to_client).await
            };
            return tokio::select! { down = down => down, up = up => up };
        }
        let (head, rest) = read_head(&mut from_gateway).await?;
        let changed = self.changed_answer(&head);
        if !head.starts_with("HTTP/1.1 101") || !changed.starts_with("HTTP/1.1 101") {
            return self.answer(head, rest, &mut from_gateway, &mut to_client).await;
        }
        to_client.write_all(changed.as_bytes()).await?;
        let up = async {
            match self.frames_up(from_client, &mut to_gateway).await {
                Ok(()) => Ok(()),
                // The gateway is done with what the client says, and has yet to say why.
                Err(_) => std::future::pending().await,
            }
        };
        let down = self.frames_down(rest, from_gateway, to_client);
        tokio::select! { up = up => up, down = down => down }
    }

    fn changed_answer(&self, text: &str) -> String {
        match self.change {
            Change::Answer(from, to) => self.replaced(text, from, to).unwrap_or_else(|| text.to_owned()),
            _ => text.to_owned(),
        }
    }

    /// A whole answer, its length made right.
    async fn answer(
        &self,
        head: String,
        rest: BytesMut,
        from_gateway: &mut OwnedReadHalf,
        to_client: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let (parsed, _) = Head::parse(head.as_bytes()).unwrap().unwrap();
        let mut body = rest.to_vec();
        let length = parsed.header("content-length").and_then(|length| length.parse::<usize>().ok());
        match length {
            Some(length) => {
                let missing = length.saturating_sub(body.len()) as u64;
                from_gateway.take(missing).read_to_end(&mut body).await?;
            }
            None if matches!(parsed.status, 101 | 204 | 304) => {}
            None => drop(from_gateway.read_to_end(&mut body).await?),
        }
        let mut body = self.changed_answer(&String::from_utf8_lossy(&body));
        if let Change::Body(status, text) = self.change
            && status == parsed.status
        {
            self.made();
            text.clone_into(&mut body);
        }
        let head = self.changed_answer(&head);
        let lines =
            head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
        let head: String = lines.map(|line| format!("{line}\r\n")).collect();
        let bodiless = head.starts_with("HTTP/1.1 204") || head.starts_with("HTTP/1.1 101");
        let length = if bodiless { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        to_client.write_all(format!("{head}{length}\r\n{body}").as_bytes()).await?;
        to_client.shutdown().await
    }

    async fn frames_up(&self, mut from: OwnedReadHalf, to: &mut OwnedWriteHalf) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        while let Some(mut frame) = next_frame(&mut from, &mut buffer).await {
            if let Change::Sent(old, new) = self.change
                && let Some(text) = text_of(&frame).and_then(|text| self.replaced(text, old, new))
            {
                frame.payload = Bytes::from(text);
            }
            to.write_all(&frame.encode(Some([7, 11, 13, 17]))).await?;
        }
        Ok(())
    }

    async fn frames_down(
        &self,
        mut buffer: BytesMut,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) -> io::Result<()> {
        while let Some(frame) = next_frame(&mut from, &mut buffer).await {
            let contains = |part: &str| text_of(&frame).is_some_and(|text| text.contains(part));
            let mut after = None;
            match self.change {
                Change::Drop(part) if contains(part) => {
                    self.made();
                    continue;
                }
                Change::Hold if frame.opcode == Opcode::Close => {
                    self.made();
                    std::future::pending::<()>().await;
                }
                Change::Stray(part, text) if contains(part) => after = Some(text),
                Change::HangUp(part) if contains(part) => {
                    self.made();
                    to.write_all(&frame.encode(None)).await?;
                    return Ok(());
                }
                _ => {}
            }
            to.write_all(&self.changed_frame(frame).encode(None)).await?;
            if let Some(text) = after {
                self.made();
                to.write_all(&Frame::new(Opcode::Text, text).encode(None)).await?;
            }
        }
        Ok(())
    }

    fn changed_frame(&self, mut frame: Frame) -> Frame {
        let text = text_of(&frame);
        let changed = match (self.change, text) {
            (Change::Frame("", to), Some("")) => {
                self.made();
                Some(to.to_owned())
            }
            (Change::Frame("", _), _) => None,
            (Change::Frame(from, to), Some(text)) => self.replaced(text, from, to),
            (Change::FrameWith(part, from, to), Some(text)) if text.contains(part) => {
                self.replaced(text, from, to)
            }
            _ => None,
        };
        if let Some(text) = changed {
            frame.payload = Bytes::from(text);
        }
        match self.change {
            Change::Code(from, to)
                if frame.opcode == Opcode::Close
                    && frame.close_reason().is_some_and(|(code, _)| code == from) =>
            {
                self.made();
                let (_, reason) = frame.close_reason().unwrap();
                Frame::close(to, &reason)
            }
            Change::Kind(part, from, to)
                if frame.opcode == from
                    && (part.is_empty() || text_of(&frame).is_some_and(|text| text.contains(part))) =>
            {
                self.made();
                Frame { opcode: to, ..frame }
            }
            Change::Reserved if frame.opcode == Opcode::Text => {
                self.made();
                Frame { reserved: 0b100, ..frame }
            }
            _ => frame,
        }
    }
}

fn text_of(frame: &Frame) -> Option<&str> {
    let is_text = matches!(frame.opcode, Opcode::Text | Opcode::Continuation);
    is_text.then(|| std::str::from_utf8(&frame.payload).ok()).flatten()
}

async fn next_frame(from: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Option<Frame> {
    loop {
        if let Some((frame, _)) = Frame::decode(buffer).ok()? {
            return Some(frame);
        }
        if from.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// A head with the empty line at its end, and what came after it.
async fn read_head(from: &mut OwnedReadHalf) -> io::Result<(String, BytesMut)> {
    let mut buffer = BytesMut::new();
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&buffer).into_owned(), rest));
        }
        if from.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
