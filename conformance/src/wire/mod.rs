//! Sockets, handshakes, frames and signed calls, as bare as the cases need them: a library would repair, hide or refuse
//! what they look for.

mod address;
mod client;
mod frame;
mod handshake;
mod head;
mod management;
mod sign;
mod stream;

pub use address::Address;
pub use client::{Client, Incoming};
pub use frame::{Frame, Opcode};
pub use handshake::{Answered, Handshake};
pub use head::Head;
pub use management::{Call, HttpAnswer};
pub use sign::{Keys, presign, sign_headers};
pub use stream::{Roots, Stream, connect, pass_over};
pub(crate) use stream::{Versions as TlsVersions, connect_tcp, connect_tls};
