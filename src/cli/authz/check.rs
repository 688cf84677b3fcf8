//! `authz check`.

use std::fs;
use std::io::{self, Read as _};
use std::net::IpAddr;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use crate::answer::Read;
use crate::answer::authz::check::{self, To};
use crate::answer::authz::requests::{self, Asked};
use crate::answer::authz::{AuthzDecision, AuthzDecisions, cases};
use crate::cli::{Common, Outcome, Refusal, source};
use crate::resolve::authorize::attach::Engine;
use crate::resolve::authorize::evaluator::Protocol;
use crate::resolve::authorize::request::{Headers, Peer, Request, Token};
use crate::resolve::name::{self, Named};

/// Flags of `authz check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Flags {
    /// To whom: POD, POD.NS, NS/POD, KIND/NAME[.NS], or a service: HOST, NAME, NAME.NS, svc/NAME[.NS]
    #[arg(long, value_name = "WORKLOAD|SERVICE[:PORT]", required_unless_present = "cases")]
    to: Option<String>,
    /// Requests as JSON, one or a list; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["peer", "method", "path", "host", "header"])]
    requests: Option<String>,
    #[command(flatten)]
    one: One,
    /// As which proxy, where it is not the workload's own
    #[arg(long, value_enum, value_name = "ENGINE")]
    engine: Option<As>,
    /// Answer whole cases: settings, policies and requests, with nothing from anywhere else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "requests", "engine", "peer", "method", "path"])]
    cases: Option<String>,
}

/// One request, an attribute a flag. What no flag says is not known.
#[derive(Debug, Args)]
#[command(next_help_heading = "The request; what is not said is not known")]
struct One {
    /// Who calls: NS/ACCOUNT, a whole principal, or none for plaintext
    #[arg(long, value_name = "NS/SA|PRINCIPAL|none")]
    peer: Option<String>,
    /// The method
    #[arg(long)]
    method: Option<String>,
    /// The path, with its query
    #[arg(long)]
    path: Option<String>,
    /// The Host header
    #[arg(long)]
    host: Option<String>,
    /// A header; with an empty value it is there and empty. Repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// There are no other headers than those given
    #[arg(long)]
    no_other_headers: bool,
    /// The address of the connection's other end
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
    /// The address of the client
    #[arg(long, value_name = "ADDRESS")]
    remote_ip: Option<IpAddr>,
    /// The server name of the TLS hello; an empty one is none
    #[arg(long)]
    sni: Option<String>,
    /// A claim of the validated token: JSON, or else a text. Repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    jwt_claim: Vec<String>,
    /// The request has no token
    #[arg(long, conflicts_with = "jwt_claim")]
    no_jwt: bool,
    /// What the port speaks [default: as its service declares it, else http]
    #[arg(long, value_enum)]
    protocol: Option<Speaks>,
}

/// `--protocol`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Speaks {
    /// HTTP
    Http,
    /// Connections
    Tcp,
}

/// `--engine`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum As {
    /// Envoy beside the workload
    Sidecar,
    /// The node's ztunnel
    Ztunnel,
    /// The waypoint of the service
    Waypoint,
}

pub(in crate::cli) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    if let Some(file) = &flags.cases {
        let answers = cases::answer(&json(file)?, file).map_err(|text| data(file, &text))?;
        common.write(&AuthzDecisions::new(answers))?;
        return Ok(Outcome::Fine);
    }
    let read = source::read(common)?;
    let to = to(&read, flags.to.as_deref().unwrap_or_default())?;
    let asked = match &flags.requests {
        Some(file) => requests::read_all(&json(file)?).map_err(|text| data(file, &text))?,
        None => vec![flags.one.asked(&read)?],
    };
    let engine = flags.engine.map(|engine| match engine {
        As::Sidecar => Engine::Sidecar,
        As::Ztunnel => Engine::Ztunnel,
        As::Waypoint => Engine::Waypoint,
    });
    let answers = check::check(&read.mesh, &to, engine, &asked);
    let outcome = outcome(&answers);
    match <[AuthzDecision; 1]>::try_from(answers) {
        Ok([one]) => common.write(&one)?,
        Err(several) => common.write(&AuthzDecisions::new(several))?,
    }
    Ok(outcome)
}

/// A refusal counts more than what is not known.
fn outcome(answers: &[AuthzDecision]) -> Outcome {
    let has = |decision: &str| answers.iter().any(|answer| answer.decision == decision);
    if has("DENY") {
        Outcome::Faulty
    } else if has("UNKNOWN") {
        Outcome::Open
    } else {
        Outcome::Fine
    }
}

/// Whom `--to` names: a workload, or else a service; with a port behind it or without.
fn to(read: &Read, text: &str) -> anyhow::Result<To> {
    let pods = |text: &str| match name::workload(&read.mesh, text) {
        Named::One(pods) => Some(pods),
        Named::Several(_) | Named::None(_) => None,
    };
    let is_service = text.starts_with("svc/") || text.starts_with("service/");
    let service = || matches!(name::service(&read.mesh, text).0, Named::One(_));
    if !is_service && read.mesh.registry.by_host(text).is_none() {
        if let Some(pods) = pods(text) {
            if service() {
                let text = format!("{text} is a workload and a service: write svc/{text} or deploy/{text}");
                return Err(Refusal::Usage(text).into());
            }
            return Ok(To::Pods(pods, None));
        }
        if let Some((workload, port)) = text.rsplit_once(':')
            && let Some(pods) = pods(workload)
            && !service()
        {
            let number = port.parse().ok();
            let number = number.ok_or_else(|| {
                Refusal::Usage(format!("--to {text}: a workload's port is a number from 0 to 65535"))
            })?;
            return Ok(To::Pods(pods, Some(number)));
        }
    }
    if let (false, Named::Several(names)) = (is_service, name::workload(&read.mesh, text)) {
        let text = format!("--to {text} can be several workloads: {}", names.join(", "));
        return Err(Refusal::Usage(text).into());
    }
    if source::is_unknown(read, text) {
        return Err(Refusal::Usage(format!("--to {text}: no workload and no service is called so")).into());
    }
    let (host, port) = source::service(read, text)?;
    Ok(To::Service(host, port))
}

impl One {
    fn asked(&self, read: &Read) -> anyhow::Result<Asked> {
        let request = Request {
            peer: self.peer.as_deref().map_or(Peer::Unknown, |peer| self::peer(read, peer)),
            method: self.method.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
            port: None,
            source_ip: self.source_ip,
            remote_ip: self.remote_ip,
            destination_ip: None,
            sni: self.sni.clone(),
            headers: self.headers()?,
            token: self.token()?,
            is_normalized: false,
            has_no_metadata: false,
        };
        let protocol = self.protocol.map(|protocol| match protocol {
            Speaks::Http => Protocol::Http,
            Speaks::Tcp => Protocol::Tcp,
        });
        Ok(Asked { id: None, protocol, request })
    }

    fn headers(&self) -> anyhow::Result<Headers> {
        let mut headers = Headers { are_all: self.no_other_headers, ..Headers::default() };
        for header in &self.header {
            let (name, value) = pair(header, "--header")?;
            headers.lines.entry(name.to_lowercase()).or_default().push(value.to_owned());
        }
        Ok(headers)
    }

    fn token(&self) -> anyhow::Result<Token> {
        if self.no_jwt {
            return Ok(Token::None);
        }
        if self.jwt_claim.is_empty() {
            return Ok(Token::Unknown);
        }
        let mut claims = Map::new();
        for claim in &self.jwt_claim {
            let (name, value) = pair(claim, "--jwt-claim")?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            claims.insert(name.to_owned(), value);
        }
        Ok(Token::Validated(Value::Object(claims)))
    }
}

fn pair<'a>(text: &'a str, flag: &str) -> anyhow::Result<(&'a str, &'a str)> {
    let found = text.split_once('=').filter(|(name, _)| !name.is_empty());
    found.ok_or_else(|| Refusal::Usage(format!("{flag} {text}: expected NAME=VALUE")).into())
}

/// Who calls: an account as `NS/SA` is of the mesh's trust domain.
fn peer(read: &Read, text: &str) -> Peer {
    let text = text.strip_prefix("spiffe://").unwrap_or(text);
    match text.split_once('/') {
        None if text == "none" => Peer::Plaintext,
        Some((namespace, account)) if !account.contains('/') => {
            let domain = &read.mesh.config.trust_domain;
            Peer::Identity(format!("{domain}/ns/{namespace}/sa/{account}"))
        }
        Some(_) | None => Peer::Identity(text.to_owned()),
    }
}

fn data(file: &str, text: &str) -> anyhow::Error {
    Refusal::Data(format!("{file}: {text}")).into()
}

/// A file of JSON; `-` is standard input.
fn json(file: &str) -> anyhow::Result<Value> {
    let text = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("standard input")?;
        text
    } else {
        fs::read_to_string(file).with_context(|| file.to_owned())?
    };
    serde_json::from_str(&text).map_err(|error| data(file, &error.to_string()))
}
