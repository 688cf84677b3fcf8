//! Requests as files name them: JSON with an attribute a key. What is absent is not known.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::resolve::authorize::evaluator::Protocol;
use crate::resolve::authorize::request::{Headers, Peer, Request, Signature, Token};

/// A request that is asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its own name.
    pub id: Option<String>,
    /// What its port speaks, where it says so.
    pub protocol: Option<Protocol>,
    /// The request.
    pub request: Request,
}

/// All keys of a request.
const KEYS: [&str; 13] = [
    "principal",
    "protocol",
    "method",
    "path",
    "host",
    "port",
    "source_ip",
    "remote_ip",
    "dest_ip",
    "sni",
    "headers",
    "jwt",
    "token",
];

/// Reads a request, alone or as `{"id", "request"}`. `place` says where it stands.
///
/// # Errors
///
/// The place of a key, and what is the matter with it.
pub fn read(value: &Value, place: &str) -> Result<Asked, String> {
    let whole = value.as_object().ok_or_else(|| format!("{place}: must be an object"))?;
    let (id, fields, place) = match whole.get("request") {
        Some(inner) => {
            let fields = inner.as_object().ok_or_else(|| format!("{place}.request: must be an object"))?;
            (whole.get("id"), fields, format!("{place}.request"))
        }
        None => (whole.get("id"), whole, place.to_owned()),
    };
    if let Some(key) = fields.keys().find(|key| !KEYS.contains(&key.as_str()) && *key != "id") {
        return Err(format!("{place}.{key}: no request has such a key; there are {}", KEYS.join(", ")));
    }
    let reader = Reader { fields, place: &place };
    let id =
        id.and_then(|id| id.as_str().map(str::to_owned).or_else(|| id.as_i64().map(|id| id.to_string())));
    Ok(Asked { id, protocol: reader.protocol()?, request: reader.request()? })
}

/// Reads requests: one, or a list of them.
///
/// # Errors
///
/// The place of the first mistake.
pub fn read_all(value: &Value) -> Result<Vec<Asked>, String> {
    match value.as_array() {
        Some(all) => all.iter().enumerate().map(|(at, one)| read(one, &format!("[{at}]"))).collect(),
        None => Ok(vec![read(value, "request")?]),
    }
}

/// The keys of one request.
pub(super) struct Reader<'a> {
    /// Its keys.
    pub(super) fields: &'a Map<String, Value>,
    /// Where it stands.
    pub(super) place: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, wanted: &str) -> String {
        format!("{}.{key}: must be {wanted}", self.place)
    }

    fn text(&self, key: &str) -> Result<Option<String>, String> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    fn address(&self, key: &str) -> Result<Option<IpAddr>, String> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let read = text.parse().ok();
        read.map(Some).ok_or_else(|| self.wrong(key, "an IP address"))
    }

    /// What its port speaks.
    pub(super) fn protocol(&self) -> Result<Option<Protocol>, String> {
        match self.text("protocol")?.as_deref() {
            None => Ok(None),
            Some("http") => Ok(Some(Protocol::Http)),
            Some("tcp") => Ok(Some(Protocol::Tcp)),
            Some(_) => Err(self.wrong("protocol", "http or tcp")),
        }
    }

    /// The request, with everything unknown that it does not say.
    pub(super) fn request(&self) -> Result<Request, String> {
        let peer = match self.fields.get("principal") {
            None => Peer::Unknown,
            Some(Value::Null) => Peer::Plaintext,
            Some(Value::String(text)) => {
                Peer::Identity(text.strip_prefix("spiffe://").unwrap_or(text).to_owned())
            }
            Some(_) => return Err(self.wrong("principal", "a text, or null for plaintext")),
        };
        let port = match self.fields.get("port") {
            None | Some(Value::Null) => None,
            Some(port) => Some(
                port.as_u64()
                    .and_then(|port| u16::try_from(port).ok())
                    .ok_or_else(|| self.wrong("port", "a number from 0 to 65535"))?,
            ),
        };
        let sni = match self.fields.get("sni") {
            None => None,
            Some(Value::Null) => Some(String::new()),
            Some(_) => self.text("sni")?,
        };
        Ok(Request {
            peer,
            method: self.text("method")?,
            path: self.text("path")?,
            host: self.text("host")?,
            port,
            source_ip: self.address("source_ip")?,
            remote_ip: self.address("remote_ip")?,
            destination_ip: self.address("dest_ip")?,
            sni,
            headers: self.headers()?,
            token: self.token()?,
            is_normalized: false,
            has_no_metadata: false,
        })
    }

    /// Headers that are named; what `headers` does not name is known to be absent.
    fn headers(&self) -> Result<Headers, String> {
        let Some(value) = self.fields.get("headers").filter(|value| !value.is_null()) else {
            return Ok(Headers::default());
        };
        let named = value.as_object().ok_or_else(|| self.wrong("headers", "an object"))?;
        let mut headers = Headers { are_all: true, ..Headers::default() };
        for (name, value) in named {
            let wrong = || self.wrong(&format!("headers.{name}"), "a text or a list of texts");
            let lines = match value {
                Value::String(line) => vec![line.clone()],
                Value::Array(lines) => lines
                    .iter()
                    .map(|line| line.as_str().map(str::to_owned).ok_or_else(wrong))
                    .collect::<Result<_, _>>()?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err(wrong()),
            };
            headers.lines.entry(name.to_lowercase()).or_default().extend(lines);
        }
        Ok(headers)
    }

    /// The token as it was sent, or else the claims of one that was taken.
    fn token(&self) -> Result<Token, String> {
        match self.fields.get("token") {
            Some(Value::Null) => return Ok(Token::None),
            Some(Value::Object(token)) => {
                let signature = match token.get("kind").and_then(Value::as_str) {
                    None | Some("good" | "unknown-issuer") => Signature::Good,
                    Some("bad-signature") => Signature::Bad,
                    Some(_) => return Err(self.wrong("token.kind", "good, bad-signature or unknown-issuer")),
                };
                let claims = token.get("claims").filter(|claims| claims.is_object());
                let claims = claims.ok_or_else(|| self.wrong("token.claims", "an object"))?.clone();
                return Ok(Token::Sent { claims, signature });
            }
            Some(_) => return Err(self.wrong("token", "an object with claims and kind, or null for none")),
            None => {}
        }
        match self.fields.get("jwt") {
            None => Ok(Token::Unknown),
            Some(Value::Null) => Ok(Token::None),
            Some(claims @ Value::Object(_)) => Ok(Token::Validated(claims.clone())),
            Some(_) => Err(self.wrong("jwt", "an object of claims, or null for none")),
        }
    }
}
