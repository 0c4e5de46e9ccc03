use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::exit,
};

use crate::response_path;

/// One connection to the Runtime API.
pub(crate) struct Api {
    pub(crate) stream: BufReader<TcpStream>,
}

pub(crate) type Reply = (u16, BTreeMap<String, String>, Vec<u8>);

impl Api {
    pub(crate) fn connect() -> Self {
        let address = env::var("AWS_LAMBDA_RUNTIME_API").expect("the host sets the address");
        let stream = TcpStream::connect(address).expect("the host listens");
        stream.set_nodelay(true).expect("a fresh socket");
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.stream
            .get_mut()
            .write_all(&Self::request(method, path, headers, body))
            .expect("the host listens");
        self.read()
    }

    pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: runtime\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        request
    }

    pub(crate) fn read(&mut self) -> Reply {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the host answers");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let Some(status) = status else { exit(9) };
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("the host answers");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the host answers");
        (status, headers, body)
    }

    /// An answer in pieces that ends with an error (P6).
    pub(crate) fn stream_error(&mut self, id: &str) {
        let path = response_path(id);
        // {"errorType":"Probe.Late","errorMessage":"after the first piece"}
        let body = "eyJlcnJvclR5cGUiOiJQcm9iZS5MYXRlIiwiZXJyb3JNZXNzYWdlIjoiYWZ0ZXIgdGhlIGZpcnN0IHBpZWNlIn0=";
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: runtime\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
             Transfer-Encoding: chunked\r\n\
             Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n\
             5\r\nfirst\r\n0\r\nLambda-Runtime-Function-Error-Type: Probe.Late\r\n\
             Lambda-Runtime-Function-Error-Body: {body}\r\n\r\n"
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("the host listens");
        assert_eq!(self.read().0, 202);
    }
}
