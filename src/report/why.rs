//! The text of `why`: one pair after the other, the answer first.

use std::io::{self, Write};

use super::Report;
use super::logs::write_cause;
use super::table::{Style, Tone};
use crate::answer::why::{Pair, Why};

impl Report for Why {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        for pair in &self.pairs {
            self.pair(pair, out, style, wide)?;
            writeln!(out)?;
        }
        if self.pairs.is_empty() {
            writeln!(
                out,
                "{}: no client with a proxy was read, so there is no pair",
                style.paint(&self.service.host, Tone::Plain)
            )?;
        }
        let left = self.pair_count.saturating_sub(self.pairs.len());
        if left > 0 { writeln!(out, "and {left} pairs more: name one with --client") } else { Ok(()) }
    }

    fn items(&self) -> Vec<serde_json::Value> {
        super::documents("WhyPair", &self.pairs)
    }

    fn names(&self) -> Vec<String> {
        self.pairs.iter().flat_map(|pair| pair.findings.clone()).collect()
    }
}

impl Why {
    fn pair(&self, pair: &Pair, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        let client = match &pair.client {
            Some(client) => client.path(),
            None => format!("{} clients", pair.clients.count),
        };
        let subset = pair.subset.as_ref().map(|subset| format!("|{subset}")).unwrap_or_default();
        let title = format!("{client} → {}:{}{subset}", self.service.host, pair.port);
        writeln!(
            out,
            "{}  {}",
            style.paint(&title, Tone::Strong),
            style.paint(&pair.status, Tone::of(&pair.status))
        )?;
        writeln!(out, "  {}", style.paint(&pair.tls.reason, Tone::Plain))?;
        let tls = &pair.tls;
        let rule =
            tls.destination_rule.as_ref().map(|rule| format!("DestinationRule {}", rule.object.path()));
        let rule = rule.unwrap_or_else(|| "no DestinationRule".to_owned());
        let client = format!(
            "{:12} {rule}  ({}: {})",
            tls.client_tls.effective, tls.client_tls.source, tls.client_tls.mode
        );
        writeln!(out, "  client   {}", style.paint(&client, Tone::Plain))?;
        if pair.policies.is_empty() {
            writeln!(
                out,
                "  server   {}",
                style.paint(&format!("{:12} no policy", tls.server.mode), Tone::Plain)
            )?;
        }
        for policy in &pair.policies {
            let place = policy
                .origin
                .as_ref()
                .map(|origin| format!("{}:{}", origin.file, origin.line))
                .unwrap_or_default();
            let line = format!(
                "{:12} {} {}  ({}: {})",
                policy.mode,
                policy.object.kind,
                policy.object.path(),
                policy.level,
                policy.field
            );
            writeln!(
                out,
                "  server   {}  {}",
                style.paint(&line, Tone::Plain),
                style.paint(&place, Tone::Dim)
            )?;
        }
        endpoints(pair, out, style, wide)?;
        for candidate in pair.resolution.candidates.iter().flatten() {
            let place = format!("{}:{}", candidate.origin.file, candidate.origin.line);
            let line = format!("{:18} {}  {}", candidate.outcome, candidate.rule.path(), candidate.reason);
            writeln!(
                out,
                "  rule     {}  {}",
                style.paint(&line, Tone::Plain),
                style.paint(&place, Tone::Dim)
            )?;
        }
        if let Some(cause) = &pair.cause {
            write!(out, "  cause    ")?;
            write_cause(cause, out, style)?;
        }
        for finding in &pair.findings {
            writeln!(out, "  finding  {}", style.paint(finding, Tone::Plain))?;
        }
        for next in &pair.next {
            writeln!(out, "  next     {}", style.paint(next, Tone::Dim))?;
        }
        Ok(())
    }
}

fn endpoints(pair: &Pair, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
    let failing = pair.tls.endpoints.iter().filter(|endpoint| endpoint.result == "CONFLICT").count();
    let all = pair.tls.endpoints.len();
    writeln!(out, "  endpoint {failing} of {all} must fail")?;
    let shown = if wide { all } else { 3 };
    let mut sorted: Vec<_> = pair.tls.endpoints.iter().collect();
    sorted.sort_by_key(|endpoint| endpoint.result != "CONFLICT");
    for endpoint in sorted.iter().take(shown) {
        let pod = endpoint.pod.clone().unwrap_or_else(|| "no pod".to_owned());
        let line =
            format!("{} {pod}: gets {}, takes {}", endpoint.address, endpoint.sent, endpoint.server_mode);
        let result = style.paint(&endpoint.result, Tone::of(&endpoint.result));
        writeln!(out, "           {}  {result}", style.paint(&line, Tone::Plain))?;
    }
    if all > shown { writeln!(out, "           and {} more", all - shown) } else { Ok(()) }
}
