//! Names of Envoy's upstream clusters as Istio makes them, and what they tell about the proxy that wrote a line.
//!
//! Istio's `BuildSubsetKey` and `BuildDNSSrvSubsetKey` (`pilot/pkg/model/push_context.go`) make `outbound|PORT|SUBSET|HOST` and
//! `outbound_.PORT_.SUBSET_.HOST`. Names that Istio did not make (from an EnvoyFilter, say) are `Other`.

use super::access_line::AccessLine;

/// Where an upstream cluster leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To a service, from the client's proxy: `outbound|…`.
    Outbound,
    /// To the workload behind this proxy: `inbound|…`.
    Inbound,
    /// To a service behind a waypoint: `inbound-vip|…`.
    InboundVip,
    /// To the address that the caller wanted, because no service has it: `PassthroughCluster`.
    Passthrough,
    /// Nowhere, because no service has the address and the mesh forbids others: `BlackHoleCluster`.
    BlackHole,
    /// To the workload behind this proxy, at a port that no service has: `InboundPassthroughCluster…`.
    InboundPassthrough,
    /// A name that is none of Istio's.
    Other,
}

/// Which side of a request the proxy that wrote a line is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reporter {
    /// The caller's proxy, or a gateway.
    Client,
    /// The proxy of the workload that was called.
    Server,
    /// The line does not tell.
    Unknown,
}

impl Reporter {
    /// `client`, `server` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Unknown => "unknown",
        }
    }
}

/// The parts of an upstream cluster's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamCluster<'a> {
    /// Where it leads.
    pub direction: Direction,
    /// The service's port (outbound), or the workload's (inbound since Istio 1.8).
    pub port: Option<u16>,
    /// The name of the port, which Istio before 1.8 put where outbound names have the subset.
    pub port_name: Option<&'a [u8]>,
    /// The subset of the DestinationRule.
    pub subset: Option<&'a [u8]>,
    /// The hostname in the service registry.
    pub host: Option<&'a [u8]>,
}

impl<'a> UpstreamCluster<'a> {
    /// Reads a name. One that Istio did not make is [`Direction::Other`].
    pub fn parse(name: &'a [u8]) -> Self {
        let plain = |direction| Self { direction, port: None, port_name: None, subset: None, host: None };
        let direction = direction_of(name);
        let (Direction::Outbound | Direction::Inbound | Direction::InboundVip) = direction else {
            return plain(direction);
        };
        let (port, third, host) = parts_of(name).unwrap_or_default();
        let filled = |part: &'a [u8]| (!part.is_empty() && part != b"_").then_some(part);
        let named = filled(third);
        let (subset, port_name) =
            if direction == Direction::Outbound { (named, None) } else { (None, named) };
        Self { direction, port: decimal(port), port_name, subset, host: filled(host) }
    }

    /// The side of the proxy that has this upstream cluster.
    pub fn reporter(&self) -> Reporter {
        reporter_of_direction(self.direction)
    }
}

/// Only the direction: cheaper than the whole name.
#[inline]
pub fn direction_of(name: &[u8]) -> Direction {
    // Behind `outbound` and `inbound` comes `|`, or `_.` in the form that is also an SNI.
    let separated = |rest: &[u8]| rest.starts_with(b"|") || rest.starts_with(b"_.");
    if let Some(rest) = name.strip_prefix(b"outbound") {
        return if separated(rest) { Direction::Outbound } else { Direction::Other };
    }
    if let Some(rest) = name.strip_prefix(b"inbound") {
        return match rest.strip_prefix(b"-vip") {
            Some(rest) if separated(rest) => Direction::InboundVip,
            None if separated(rest) => Direction::Inbound,
            _ => Direction::Other,
        };
    }
    match name {
        b"PassthroughCluster" => Direction::Passthrough,
        b"BlackHoleCluster" => Direction::BlackHole,
        _ if name.starts_with(b"InboundPassthroughCluster") => Direction::InboundPassthrough,
        _ => Direction::Other,
    }
}

/// The side of a line: by its upstream cluster, and for connections that no filter chain of the server's listener
/// wanted (they never get as far as an upstream cluster) the server's. `None` and `-` are a line without cluster.
#[inline(always)]
pub fn reporter_of(line: &AccessLine<'_>) -> Reporter {
    match super::value(line.upstream_cluster) {
        // What nearly all are.
        Some(cluster) if cluster.starts_with(b"outbound|") => Reporter::Client,
        Some(cluster) if cluster.starts_with(b"inbound|") => Reporter::Server,
        Some(cluster) => reporter_of_direction(direction_of(cluster)),
        None if line.is_filter_chain_not_found() => Reporter::Server,
        None => Reporter::Unknown,
    }
}

fn reporter_of_direction(direction: Direction) -> Reporter {
    match direction {
        Direction::Outbound | Direction::Passthrough | Direction::BlackHole => Reporter::Client,
        Direction::Inbound | Direction::InboundVip | Direction::InboundPassthrough => Reporter::Server,
        Direction::Other => Reporter::Unknown,
    }
}

/// Port, third part and host, of either form.
fn parts_of(name: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    if name.contains(&b'|') {
        let mut parts = name.splitn(4, |&byte| byte == b'|').skip(1);
        return Some((parts.next()?, parts.next().unwrap_or_default(), parts.next().unwrap_or_default()));
    }
    let (_, rest) = split_once(name, b"_.")?;
    let (port, rest) = split_once(rest, b"_.")?;
    // The host is behind the last separator that can be one: hostnames have no underscore before a dot, subsets might.
    let (third, host) = split_once(rest, b"_.")?;
    Some((port, third, host))
}

fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, separator)?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.get(separator.len()..)?))
}

fn decimal(text: &[u8]) -> Option<u16> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u16, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, direction: Direction, port: Option<u16>, port_name: &str, subset: &str, host: &str) {
        let cluster = UpstreamCluster::parse(name.as_bytes());
        let text = |part: Option<&[u8]>| {
            part.map(|part| String::from_utf8_lossy(part).into_owned()).unwrap_or_default()
        };
        assert_eq!((cluster.direction, cluster.port), (direction, port), "{name}");
        assert_eq!(
            (text(cluster.port_name), text(cluster.subset), text(cluster.host)),
            (port_name.to_owned(), subset.to_owned(), host.to_owned()),
            "{name}"
        );
    }

    #[test]
    fn every_form() {
        let host = "productpage.bookinfo.svc.cluster.local";
        check(&format!("outbound|9080||{host}"), Direction::Outbound, Some(9080), "", "", host);
        check(&format!("outbound|9080|v1|{host}"), Direction::Outbound, Some(9080), "", "v1", host);
        check(&format!("outbound_.9080_._.{host}"), Direction::Outbound, Some(9080), "", "", host);
        check(&format!("outbound_.9080_.v1_.{host}"), Direction::Outbound, Some(9080), "", "v1", host);
        check("inbound|9080||", Direction::Inbound, Some(9080), "", "", "");
        check(&format!("inbound|80|http|{host}"), Direction::Inbound, Some(80), "http", "", host);
        check(&format!("inbound-vip|80|http|{host}"), Direction::InboundVip, Some(80), "http", "", host);
        check("PassthroughCluster", Direction::Passthrough, None, "", "", "");
        check("BlackHoleCluster", Direction::BlackHole, None, "", "", "");
        check("InboundPassthroughCluster", Direction::InboundPassthrough, None, "", "", "");
        check("InboundPassthroughClusterIpv4", Direction::InboundPassthrough, None, "", "", "");
    }

    #[test]
    fn names_that_are_not_istios() {
        for name in [
            "",
            "-",
            "outbound",
            "inbound",
            "inbound-vip",
            "virtual_inbound",
            "inbound_17777",
            "xds-grpc",
            "outbound_pod_tunnel",
        ] {
            check(name, Direction::Other, None, "", "", "");
        }
        check("outbound|", Direction::Outbound, None, "", "", "");
        check("outbound|99999|a", Direction::Outbound, None, "", "a", "");
        check("outbound_.80", Direction::Outbound, None, "", "", "");
    }

    #[test]
    fn sides() {
        let side = |name: &str| UpstreamCluster::parse(name.as_bytes()).reporter();
        assert_eq!(side("outbound|80||a.b"), Reporter::Client);
        assert_eq!(side("PassthroughCluster"), Reporter::Client);
        assert_eq!(side("inbound|80||"), Reporter::Server);
        assert_eq!(side("InboundPassthroughClusterIpv6"), Reporter::Server);
        assert_eq!(side("virtual_inbound"), Reporter::Unknown);
    }
}
