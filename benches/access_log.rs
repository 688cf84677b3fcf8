//! Access logs of any size, always the same bytes: both sides of a mesh of forty services in which 93 % of the
//! requests are answered well and the rest fail in the ways that matter here.

use std::io::{self, Write};

/// How the lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The text layout of Istio 1.9 and later.
    Text,
    /// The same, with a raw quote in the user agent of every fiftieth line: Envoy escapes nothing.
    Quotes,
    /// The same fields in an order of one's own.
    Custom,
    /// Istio's JSON.
    Json,
}

/// What one line says; `None` is a field without a value.
struct Line {
    time: String,
    request: Option<(&'static str, String)>,
    code: u16,
    flags: Option<&'static str>,
    details: &'static str,
    reason: Option<&'static str>,
    bytes_sent: u64,
    duration: u64,
    agent: Option<&'static str>,
    request_id: Option<String>,
    authority: Option<String>,
    upstream_host: Option<String>,
    cluster: Option<String>,
    upstream_local: Option<String>,
    downstream_local: String,
    downstream_remote: String,
    server_name: Option<String>,
}

const AGENTS: [&str; 4] = [
    "curl/8.5.0",
    "Go-http-client/1.1",
    "python-requests/2.31.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
];
const QUOTED: &str = "Mozilla/5.0 (\"Kiosk\" 7\" wide; X11)";
const RESET: &str = "upstream_reset_before_response_started{connection_termination}";
const TLS: &str = "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end";
const TLS_RESET: &str = "upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end}";

/// Numbers that look random and need no crate.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

/// Writes whole lines until `size` bytes are reached, of that many pods on each side.
///
/// # Errors
///
/// Those of `out`.
pub fn write(size: u64, pods: u64, layout: Layout, out: &mut impl Write) -> io::Result<()> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut written, mut millis, mut number) = (0, 0, 0_u64);
    let mut text = Vec::new();
    while written < size {
        number += 1;
        millis += random.below(20);
        let mut line = line(&mut random, millis, pods);
        if layout == Layout::Quotes && number.is_multiple_of(50) && line.agent.is_some() {
            line.agent = Some(QUOTED);
        }
        text.clear();
        match layout {
            Layout::Text | Layout::Quotes => line.write_text(&mut text)?,
            Layout::Custom => line.write_custom(&mut text)?,
            Layout::Json => line.write_json(&mut text)?,
        }
        out.write_all(&text)?;
        written += text.len() as u64;
    }
    Ok(())
}

fn line(random: &mut Random, millis: u64, pods: u64) -> Line {
    let (service, client, server, port) =
        (random.below(40), random.below(pods), random.below(pods), 20_000 + random.below(40_000));
    let (day, second, minute, hour) =
        (22 + millis / 86_400_000 % 7, millis / 1000 % 60, millis / 60_000 % 60, millis / 3_600_000 % 24);
    let host = format!("svc-{service}.ns-{}.svc.cluster.local", service % 7);
    let id = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        random.below(1 << 32),
        random.below(1 << 16),
        random.below(1 << 12),
        random.below(1 << 12),
        random.below(1 << 48)
    );
    let path = format!("/api/v1/products/{}?page={}", random.below(100_000), random.below(50));
    let (server_address, client_address) = (format!("10.244.2.{server}:9080"), format!("10.244.1.{client}"));
    let mut line = Line {
        time: format!("2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis % 1000),
        request: Some(("GET", path)),
        code: 200,
        flags: None,
        details: "via_upstream",
        reason: None,
        bytes_sent: random.below(9000),
        duration: random.below(90),
        agent: AGENTS.get(usize::try_from(random.below(4)).unwrap_or(0)).copied(),
        request_id: Some(id),
        authority: Some(format!("svc-{service}:9080")),
        upstream_host: Some(server_address.clone()),
        cluster: Some(format!("outbound|9080||{host}")),
        upstream_local: Some(format!("{client_address}:{port}")),
        downstream_local: format!("10.96.0.{service}:9080"),
        downstream_remote: format!("{client_address}:{}", port + 1),
        server_name: None,
    };
    let at_server = |line: &mut Line| {
        line.cluster = Some("inbound|9080||".into());
        line.upstream_local = Some(format!("127.0.0.6:{port}"));
        line.downstream_local.clone_from(&server_address);
        line.downstream_remote = format!("{client_address}:{port}");
        line.server_name = Some(format!("outbound_.9080_._.{host}"));
    };
    match random.below(1000) {
        0..480 => {}
        480..930 => at_server(&mut line),
        930..945 => (line.code, line.flags, line.details) = (503, Some("UC"), RESET),
        945..955 => {
            (line.code, line.flags, line.details) = (503, Some("URX,UF"), TLS_RESET);
            line.reason = Some(TLS);
        }
        955..970 => {
            at_server(&mut line);
            (line.code, line.details) = (403, "rbac_access_denied_matched_policy[none]");
        }
        970..980 => line.code = 404,
        _ => {
            at_server(&mut line);
            (line.code, line.flags, line.details) = (0, Some("NR"), "filter_chain_not_found");
            (line.request, line.agent, line.request_id, line.authority) = (None, None, None, None);
            (line.upstream_host, line.cluster, line.upstream_local) = (None, None, None);
            line.server_name = None;
            (line.bytes_sent, line.duration) = (0, 0);
        }
    }
    line
}

fn or_dash(field: Option<&str>) -> &str {
    field.unwrap_or("-")
}

impl Line {
    fn service_time(&self) -> Option<String> {
        self.request.as_ref().map(|_| self.duration.to_string())
    }

    fn route(&self) -> Option<&str> {
        self.request.as_ref().map(|_| "default")
    }

    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_request(out)?;
        write!(out, " {} {} ", self.code, or_dash(self.flags))?;
        self.write_middle(out)?;
        write!(out, "{} ", or_dash(self.cluster.as_deref()))?;
        self.write_end(out)
    }

    fn write_custom(&self, out: &mut Vec<u8>) -> io::Result<()> {
        write!(out, "{} {} {} ", self.code, or_dash(self.flags), or_dash(self.cluster.as_deref()))?;
        self.write_request(out)?;
        write!(out, " ")?;
        self.write_middle(out)?;
        self.write_end(out)
    }

    fn write_request(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let (method, path, protocol) =
            self.request.as_ref().map_or(("-", "-", "-"), |(method, path)| (*method, path, "HTTP/1.1"));
        write!(out, "[{}] \"{method} {path} {protocol}\"", self.time)
    }

    fn write_middle(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let (reason, agent) = (or_dash(self.reason), or_dash(self.agent));
        write!(out, "{} - \"{reason}\" 0 {} {} ", self.details, self.bytes_sent, self.duration)?;
        write!(out, "{} \"-\" \"{agent}\" ", or_dash(self.service_time().as_deref()))?;
        let fields =
            [&self.request_id, &self.authority, &self.upstream_host].map(|field| or_dash(field.as_deref()));
        for field in fields {
            write!(out, "\"{field}\" ")?;
        }
        Ok(())
    }

    fn write_end(&self, out: &mut Vec<u8>) -> io::Result<()> {
        write!(out, "{} ", or_dash(self.upstream_local.as_deref()))?;
        write!(out, "{} {} ", self.downstream_local, self.downstream_remote)?;
        writeln!(out, "{} {}", or_dash(self.server_name.as_deref()), or_dash(self.route()))
    }

    fn write_json(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let json = serde_json::json!({
            "authority": self.authority, "bytes_received": 0, "bytes_sent": self.bytes_sent,
            "connection_termination_details": null, "downstream_local_address": self.downstream_local,
            "downstream_remote_address": self.downstream_remote, "duration": self.duration,
            "method": self.request.as_ref().map(|(method, _)| method),
            "path": self.request.as_ref().map(|(_, path)| path),
            "protocol": self.request.as_ref().map(|_| "HTTP/1.1"),
            "request_id": self.request_id, "requested_server_name": self.server_name, "response_code": self.code,
            "response_code_details": self.details, "response_flags": or_dash(self.flags), "route_name": self.route(),
            "start_time": self.time, "upstream_cluster": self.cluster, "upstream_host": self.upstream_host,
            "upstream_local_address": self.upstream_local, "upstream_service_time": self.service_time(),
            "upstream_transport_failure_reason": self.reason, "user_agent": self.agent, "x_forwarded_for": null,
        });
        writeln!(out, "{json}")
    }
}
