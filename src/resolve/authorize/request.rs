//! A request, or a connection, that is asked about. What is not told is unknown, which is something else than absent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::claims::Claims;
use super::path::{self, Normalization};
use super::pattern::{Pattern, Star};
use super::truth::Truth;

/// Who calls, as the certificate of a connection tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// Mutual TLS, and nothing more is known.
    Somebody,
    /// No mutual TLS.
    Plaintext,
    /// An identity, without `spiffe://`.
    Identity(String),
}

impl Peer {
    /// Whether it is known that the connection has mutual TLS.
    pub fn is_authenticated(&self) -> bool {
        match self {
            Self::Somebody | Self::Identity(_) => true,
            Self::Unknown | Self::Plaintext => false,
        }
    }
}

/// What a token's signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// It fits the issuer's key.
    Good,
    /// It does not.
    Bad,
}

/// The token of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Token {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// None was sent.
    None,
    /// The claims of one that was taken already.
    Validated(Value),
    /// One as it was sent: whether it is taken is for policies to say (J3).
    Sent {
        /// Its payload.
        claims: Value,
        /// Its signature.
        signature: Signature,
    },
}

/// Headers, their names in lower case, each with its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Those that are known. One without lines is known to be absent.
    pub lines: BTreeMap<String, Vec<String>>,
    /// Whether they are all: any other one is absent then, and not only unknown.
    pub are_all: bool,
}

impl Headers {
    /// The lines of a header: `None` where nothing is known of it, empty where it is absent.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.lines.get(name).map(Vec::as_slice).or(if self.are_all { Some(&[]) } else { None })
    }
}

/// What policies look at. `None` is what nobody told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Who calls.
    pub peer: Peer,
    /// The method.
    pub method: Option<String>,
    /// The path as it was sent, with its query.
    pub path: Option<String>,
    /// `Host`, or `:authority`.
    pub host: Option<String>,
    /// The port that the proxy sees as its own (S10).
    pub port: Option<u16>,
    /// The address of the connection's other end.
    pub source_ip: Option<IpAddr>,
    /// What Envoy takes for the address of the client.
    pub remote_ip: Option<IpAddr>,
    /// The address of the proxy's end.
    pub destination_ip: Option<IpAddr>,
    /// The server name of the TLS hello; empty where there is none.
    pub sni: Option<String>,
    /// Headers, without `authorization`, which `token` stands for.
    pub headers: Headers,
    /// The token.
    pub token: Token,
    /// Whether the path is as policies see it already: normalising twice is not the same as once.
    pub is_normalized: bool,
    /// Whether filters of Envoy have left nothing for `experimental.envoy.filters`.
    pub has_no_metadata: bool,
}

/// The value of a header, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// Nothing is known of it.
    Unknown,
    /// Its lines; none where it is absent.
    Lines(Vec<&'a str>),
    /// It is there, and begins so; the rest is made by a proxy, or is a secret.
    Begins(&'a str),
}

impl HeaderValue<'_> {
    /// Whether any line fits one of some patterns (H8).
    pub fn fits(&self, patterns: &[Pattern]) -> Truth {
        match self {
            Self::Unknown => Truth::Unknown,
            Self::Lines(lines) => {
                lines.iter().any(|line| Pattern::any_fits(patterns, line, Star::Presence)).into()
            }
            Self::Begins(start) => Truth::any(patterns.iter().map(|pattern| match pattern {
                Pattern::Any => Truth::Yes,
                Pattern::Prefix(wanted) if start.starts_with(&**wanted) => Truth::Yes,
                Pattern::Prefix(wanted) if wanted.starts_with(start) => Truth::Unknown,
                Pattern::Suffix(_) => Truth::Unknown,
                Pattern::Exact(whole) if whole.len() > start.len() && whole.starts_with(start) => {
                    Truth::Unknown
                }
                Pattern::Prefix(_) | Pattern::Exact(_) => Truth::No,
            })),
        }
    }
}

/// A request as the policies of one workload see it.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// What was asked about.
    pub request: &'a Request,
    /// The path after normalisation, with its query (H9).
    pub target: Option<String>,
    /// The client's address.
    pub remote_ip: Option<IpAddr>,
    /// The claims, once tokens were looked at: `Ok(None)` is a request without any, `Err` one of which it is not known.
    pub claims: Result<Option<Claims>, ()>,
    /// What is left of the header `authorization` (H9).
    pub authorization: HeaderValue<'static>,
    /// The server name in lower case.
    pub sni: Option<String>,
}

impl<'a> Seen<'a> {
    /// The request under a normalisation, before tokens are looked at.
    pub fn new(request: &'a Request, normalization: Normalization, remote_ip: Option<IpAddr>) -> Self {
        Self {
            request,
            target: request
                .path
                .as_deref()
                .map(|path| if request.is_normalized { path.to_owned() } else { normalization.apply(path) }),
            remote_ip,
            claims: Err(()),
            authorization: HeaderValue::Unknown,
            sni: request.sni.as_deref().map(str::to_lowercase),
        }
    }

    /// The path that `paths` compare (H2).
    pub fn path(&self) -> Option<&str> {
        self.target.as_deref().map(path::without_query)
    }

    /// A header by its name in lower case, those that Envoy makes by itself included (H9).
    pub fn header(&self, name: &str) -> HeaderValue<'_> {
        let one =
            |text: Option<&'a str>| text.map_or(HeaderValue::Unknown, |text| HeaderValue::Lines(vec![text]));
        let sent = |name: &str| match self.request.headers.get(name) {
            Some(lines) => {
                HeaderValue::Lines(lines.iter().map(|line| line.trim_matches([' ', '\t'])).collect())
            }
            None => HeaderValue::Unknown,
        };
        match name {
            ":method" => one(self.request.method.as_deref()),
            ":authority" | "host" => one(self.request.host.as_deref()),
            ":path" => {
                self.target.as_deref().map_or(HeaderValue::Unknown, |text| HeaderValue::Lines(vec![text]))
            }
            "authorization" => self.authorization.clone(),
            "x-forwarded-proto" | ":scheme" => match (sent("x-forwarded-proto"), &self.request.peer) {
                (HeaderValue::Lines(lines), peer) if lines.is_empty() => match peer {
                    Peer::Unknown => HeaderValue::Unknown,
                    Peer::Plaintext => HeaderValue::Lines(vec!["http"]),
                    Peer::Somebody | Peer::Identity(_) => HeaderValue::Lines(vec!["https"]),
                },
                (value, _) => value,
            },
            "x-request-id" => match sent(name) {
                HeaderValue::Lines(lines) if !lines.is_empty() => HeaderValue::Lines(lines),
                // A number that nobody knows beforehand.
                HeaderValue::Lines(_) | HeaderValue::Unknown | HeaderValue::Begins(_) => {
                    HeaderValue::Begins("")
                }
            },
            // Without mutual TLS Envoy takes it away, and with it its own value is behind the caller's.
            "x-forwarded-client-cert" => match self.request.peer {
                Peer::Unknown => HeaderValue::Unknown,
                Peer::Plaintext => HeaderValue::Lines(Vec::new()),
                Peer::Somebody | Peer::Identity(_) => HeaderValue::Begins(""),
            },
            name => sent(name),
        }
    }
}

/// The last element of `X-Forwarded-For` as a sidecar takes it for the client's address, else the peer's (I8).
pub fn remote_at_sidecar(request: &Request) -> Option<IpAddr> {
    let lines = request.headers.get("x-forwarded-for")?;
    let last = lines.last().and_then(|line| line.rsplit(',').next());
    let address = last.and_then(|element| element.trim().parse::<IpAddr>().ok());
    address.or(request.source_ip)
}

/// The client's address at a gateway that trusts some hops: with none, the peer's; else the element of
/// `X-Forwarded-For` that many from its end, where there are as many.
pub fn remote_at_gateway(request: &Request, trusted_hops: usize) -> Option<IpAddr> {
    let Some(back) = trusted_hops.checked_sub(1) else { return request.source_ip };
    let lines = request.headers.get("x-forwarded-for")?;
    let joined = lines.join(",");
    let element = joined.rsplit(',').nth(back);
    element.and_then(|element| element.trim().parse().ok()).or(request.source_ip)
}
