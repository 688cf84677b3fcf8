//! The keys of the joins: of fixed size, so that their number bounds their memory.

use std::net::{IpAddr, SocketAddr};

use crate::logs::access_line::value;

/// The longest request id that is joined: Envoy's own are UUIDs of 36 bytes.
const REQUEST_ID: usize = 36;

/// An address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::logs::aggregate) struct Endpoint {
    ip: [u8; 16],
    port: u16,
}

impl Endpoint {
    /// `IP:PORT`, as Envoy writes it. Port 0 is Envoy's mark for an address out of `x-forwarded-for`: not an end of
    /// the connection.
    pub(in crate::logs::aggregate) fn parse(field: Option<&[u8]>) -> Option<Self> {
        let address: SocketAddr = std::str::from_utf8(value(field)?).ok()?.parse().ok()?;
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        (address.port() != 0).then_some(Self { ip: ip.octets(), port: address.port() })
    }
}

/// The two ends of a connection between two proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey {
    client: Endpoint,
    server: Endpoint,
}

impl ConnectionKey {
    pub(super) fn new(client: Option<&[u8]>, server: Option<&[u8]>) -> Option<Self> {
        Some(Self { client: Endpoint::parse(client)?, server: Endpoint::parse(server)? })
    }
}

/// A request id, and the server it was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RequestKey {
    /// Filled up with zeros, which no header can hold.
    id: [u8; REQUEST_ID],
    server: Endpoint,
}

impl RequestKey {
    pub(super) fn new(request_id: &[u8], server: Option<&[u8]>) -> Option<Self> {
        let mut id = [0; REQUEST_ID];
        id.get_mut(..request_id.len())?.copy_from_slice(request_id);
        Some(Self { id, server: Endpoint::parse(server)? })
    }
}
