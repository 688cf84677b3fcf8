//! From a log line to the rules that decided about it.

use crate::answer::log_lines::LogRow;
use crate::answer::logs::Cause;
use crate::app::screen::Context;
use crate::app::target::{Said, Target};
use crate::correlate::{Denial, denial_of};

/// The rules of the workload that the request of a line was for, and what the line says of them; `None` where no such
/// workload was read.
pub fn of_line(row: &LogRow, cause: Option<&Cause>, context: &Context<'_>) -> Option<Target> {
    let mesh = &context.read?.mesh;
    let pod = row.pod.as_deref().filter(|_| *row.side == *"server");
    // Keys are offered at each drawing: no list is searched for them.
    let is_read =
        |pod: &&str| pod.split_once('/').is_some_and(|(of, name)| mesh.workloads.by_pod(of, name).is_some());
    let pod = pod.filter(is_read);
    let host = row.host.as_deref().filter(|host| mesh.registry.by_host(host).is_some());
    let of = Some(pod.or(host)?.to_owned());
    Some(Target::AuthzRules { of, said: said(row, cause) })
}

/// What a line says. What callers write into a line, such as the name of their program, is asked only where its cause is a
/// denial that another field told: of connections that is where they ended.
fn said(row: &LogRow, cause: Option<&Cause>) -> Said {
    let is_denied = cause.is_some_and(|cause| cause.cause.starts_with("rbac-denied"));
    let told = [&row.details, &row.flags].into_iter().flatten().find_map(|text| denial_of(text));
    let told = told.or_else(|| if is_denied { denial_of(&row.text()) } else { None });
    match told {
        Some(Ok(denial @ Denial { .. })) => Said::Rule(denial),
        Some(Err(_)) => Said::NoneMatched,
        None => Said::Nothing,
    }
}
