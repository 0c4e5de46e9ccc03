//! Listening addresses: one port on the host asked for, and on ::1 as well where that is 127.0.0.1.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::{TcpListener, TcpSocket};

use crate::failure::Failure;

/// A burst of handshakes waits here while the listener is busy; the kernel's own ceiling is usually the same.
const BACKLOG: u32 = 4096;

/// Tries for a free port that is free on 127.0.0.1 and ::1 alike.
const FREE_PORT_TRIES: usize = 16;

/// One port and the sockets that listen on it.
pub(super) struct Listening {
    /// Where clients on this machine connect.
    pub(super) address: SocketAddr,
    pub(super) listeners: Vec<TcpListener>,
}

/// Listens on `host` and `port` (0: any free one). `flag` is what the user would change.
pub(super) fn listen(host: IpAddr, port: u16, flag: &str) -> Result<Listening, Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => in_use(host, port, flag),
        io::ErrorKind::AddrNotAvailable => Failure::unavailable(format!(
            "cannot listen on {host}: this machine has no such address; choose another with --host"
        )),
        _ => Failure::unavailable(format!(
            "cannot listen on {host} port {port}: {error}; choose another with {flag}"
        )),
    };
    let mut tries = FREE_PORT_TRIES;
    loop {
        let first = bind(SocketAddr::new(host, port)).map_err(failed)?;
        let address = first.local_addr().map_err(failed)?;
        let mut listeners = vec![first];
        if host == Ipv4Addr::LOCALHOST {
            match bind(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port())) {
                Ok(second) => listeners.push(second),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tries -= 1;
                    if port == 0 && tries > 0 {
                        continue;
                    }
                    return Err(in_use(Ipv6Addr::LOCALHOST.into(), address.port(), flag));
                }
                // A machine without IPv6 has nobody who would use it.
                Err(_) => {}
            }
        }
        return Ok(Listening { address: reachable(address), listeners });
    }
}

/// The address to connect to for one that is listened on: "all of this machine's" is none, so loopback stands for it.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The sentence for a taken port.
pub(super) fn in_use(host: IpAddr, port: u16, flag: &str) -> Failure {
    Failure::unavailable(format!(
        "port {port} on {host} is already in use: stop the program that listens there, or choose another port with {flag}"
    ))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port that a stack used a moment ago is free, though its old connections linger in the kernel.
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it, so that no part of the stack waits for a delayed acknowledgement.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
