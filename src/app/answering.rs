//! Answers the screen's questions from what was read. It takes as long as it takes: the screen never calls it itself.

use std::sync::Arc;

use super::question::{Answer, Question};
use crate::answer::authz::{hits, workloads};
use crate::answer::why::{self, Query};
use crate::answer::{Read, causes, check, explain, log_lines, logs, rules, tls_check};
use crate::logs::Query as LineQuery;
use crate::resolve::name::{self, Named};

/// The answer to a question.
pub fn answer(read: &Read, question: &Question) -> Answer {
    match question {
        Question::Check => Answer::Check(Arc::new(check::check(read))),
        Question::Tls => Answer::Tls(Arc::new(tls_check::table(read))),
        Question::Rules => Answer::Rules(Arc::new(rules::table(read))),
        Question::AuthzRules => Answer::AuthzRules(Arc::new(workloads::workloads(&read.mesh))),
        Question::AuthzHits => Answer::AuthzHits(Arc::new(hits::hits(read))),
        Question::Logs => Answer::Logs(Arc::new(logs::report(read, None))),
        Question::Causes => Answer::Causes(Arc::new(causes::causes(read))),
        Question::Lines(text) if text.is_empty() => Answer::Lines(Arc::new(log_lines::lines(read, None))),
        Question::Lines(text) => match LineQuery::parse(text) {
            Ok(query) => Answer::Lines(Arc::new(log_lines::lines(read, Some(query)))),
            Err(mistake) => Answer::Failed(mistake.to_string()),
        },
        Question::Explain(code) => Answer::Explain(explain::explain(code).map(Arc::new)),
        Question::Why { service, port, client } => match query(read, service, *port, client.as_deref()) {
            Ok(query) => why::why(read, &query).map_or_else(
                || Answer::Failed(format!("no service is called {service}")),
                |why| Answer::Why(Arc::new(why)),
            ),
            Err(text) => Answer::Failed(text),
        },
    }
}

fn query(read: &Read, service: &str, port: Option<u16>, client: Option<&str>) -> Result<Query, String> {
    let (named, written) = name::service(&read.mesh, service);
    let found = one(named, "service", service)?;
    let port = match (port, written) {
        (None, Some(written)) => {
            Some(name::port(found, &written).ok_or_else(|| format!("{} has no port {written}", found.host))?)
        }
        (port, _) => port,
    };
    let client = client.map(|client| client.split_once('/').unwrap_or(("", client)));
    Ok(Query {
        host: found.host.to_string(),
        port,
        client: client.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
    })
}

fn one<T>(found: Named<T>, what: &str, asked: &str) -> Result<T, String> {
    match found {
        Named::One(one) => Ok(one),
        Named::Several(all) => Err(format!("{asked} can be several {what}s: {}", all.join(", "))),
        Named::None(like) if like.is_empty() => Err(format!("no {what} is called {asked}")),
        Named::None(like) => Err(format!("no {what} is called {asked}; there are {}", like.join(", "))),
    }
}
