//! The keys of the joins: of fixed size, so that their number bounds their memory.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
        let field = value(field)?;
        if let Some((ip, port)) = parse_v4(field) {
            return (port != 0).then_some(Self { ip: ip.to_ipv6_mapped().octets(), port });
        }
        let address: SocketAddr = std::str::from_utf8(field).ok()?.parse().ok()?;
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        (address.port() != 0).then_some(Self { ip: ip.octets(), port: address.port() })
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(IpAddr::from(endpoint.ip).to_canonical(), endpoint.port)
    }
}

/// `10.1.2.3:8080`, which nearly all addresses look like.
#[inline]
fn parse_v4(text: &[u8]) -> Option<(Ipv4Addr, u16)> {
    // The four numbers and the port, the last of which has no byte behind it.
    let mut numbers = [0_u32; 5];
    let mut at = 0;
    let mut digits = 0;
    for byte in text {
        match (byte, at) {
            (b'0'..=b'9', _) => {
                let number = numbers.get_mut(at)?;
                // Zeros in front are not written.
                if digits > 0 && *number == 0 || digits == 5 {
                    return None;
                }
                *number = *number * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            (b'.', 0..=2) | (b':', 3) if digits > 0 => (at, digits) = (at + 1, 0),
            _ => return None,
        }
    }
    let [a, b, c, d, port] = numbers;
    let byte = |number: u32| u8::try_from(number).ok();
    let ip = Ipv4Addr::new(byte(a)?, byte(b)?, byte(c)?, byte(d)?);
    (at == 4 && digits > 0).then_some((ip, u16::try_from(port).ok()?))
}

/// The two ends of a connection between two proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey {
    client: Endpoint,
    server: Endpoint,
}

impl ConnectionKey {
    pub(super) fn new(client: Option<Endpoint>, server: Option<Endpoint>) -> Option<Self> {
        Some(Self { client: client?, server: server? })
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
    pub(super) fn new(request_id: &[u8], server: Option<Endpoint>) -> Option<Self> {
        let id = if let Ok(whole) = request_id.try_into() {
            whole
        } else {
            let mut id = [0; REQUEST_ID];
            id.get_mut(..request_id.len())?.copy_from_slice(request_id);
            id
        };
        Some(Self { id, server: server? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_as_the_standard_library_reads_them(text in "[0-9]{0,4}([.][0-9]{1,4}){2,4}:?[0-9]{0,6}( |a)?") {
            let wanted = text.parse::<std::net::SocketAddrV4>().ok().map(|address| (*address.ip(), address.port()));
            // A port with zeros in front is left to it.
            prop_assert!(parse_v4(text.as_bytes()).is_none_or(|found| Some(found) == wanted), "{}", text);
        }

        #[test]
        fn every_address_is_read(ip in any::<[u8; 4]>(), port in any::<u16>()) {
            let text = format!("{}:{port}", Ipv4Addr::from(ip));
            prop_assert_eq!(parse_v4(text.as_bytes()), Some((ip.into(), port)));
        }
    }
}
