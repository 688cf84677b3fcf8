//! Where the mesh comes from: what the flags name, read and ready to be asked.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::{Common, Refusal, message};
use crate::answer::Read;
use crate::answer::logs::selection::pod_path;
use crate::bundle::{self, Bundle, Error, Followed, Path, Problem, Request, Stream, Tails};
use crate::demo;
use crate::logs::{ByFields, Field, OwnFormat, PodName, Strictness, Watch};
use crate::model::Kind;
use crate::model::object::Body;
use crate::resolve::Options;
use crate::resolve::unread::Unread;
use crate::settings::{self, file::Settings};

/// The name by which `-f` reaches the demo's mesh.
pub(super) const DEMO: &str = "\u{0}demo";

/// Reads what the flags name. Messages about its parts go to standard error.
pub(super) fn read(common: &Common) -> anyhow::Result<Read> {
    let mut bundle = bundle(common)?;
    bundle.logs.end_joins();
    let (settings, mistakes) = settings();
    for text in mistakes.into_iter().chain(messages(&bundle)) {
        message(&text);
    }
    Ok(prepare(common, &settings, bundle))
}

/// The settings of the configuration file, and what is to be said of it. Without a file all is as it is by default.
pub(super) fn settings() -> (Settings, Vec<String>) {
    let Some(path) = settings::file_path() else { return (Settings::default(), Vec::new()) };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let (settings, mistakes) = settings::file::parse(&text);
            let told = mistakes.iter().map(|mistake| format!("{}:{mistake}", path.display()));
            (settings, told.collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Settings::default(), Vec::new()),
        Err(error) => (Settings::default(), vec![format!("{}: {error}", path.display())]),
    }
}

/// What the flags name as sources, in their order; the demo's mesh has no name.
pub(super) fn names(common: &Common) -> Vec<String> {
    let files = common.filename.iter().filter(|name| *name != DEMO).cloned();
    let logs = common.log.iter().filter_map(|log| log.split_once('=')).map(|(_, path)| path.to_owned());
    files.chain(logs).collect()
}

/// What is to be said of the parts of a source that were not read.
pub(super) fn messages(bundle: &Bundle) -> Vec<String> {
    let problem =
        |problem: &Problem| format!("{}:{}: {}", problem.origin.file, problem.origin.line, problem.text);
    let mut texts: Vec<_> = bundle.problems.iter().map(problem).collect();
    let lines = |count: u64| if count == 1 { "1 line is".to_owned() } else { format!("{count} lines are") };
    texts.extend(bundle.counters.unreadable().iter().map(|(first, count)| {
        format!("{}:{}: {} neither a counter nor a comment", first.file, first.line, lines(*count))
    }));
    if !bundle.left_out.is_empty() {
        let names: Vec<_> = bundle.left_out.iter().take(5).map(|name| &**name).collect();
        let more = bundle.left_out.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        texts.push(format!("neither objects nor access logs nor counters: {}{more}", names.join(", ")));
    }
    texts
}

/// The answers' ground for a bundle.
pub(super) fn prepare(common: &Common, settings: &Settings, bundle: Bundle) -> Read {
    let options = Options {
        unread: Unread::new(),
        root_namespace: common.istio_namespace.clone(),
        istio_version: common.istio_version.clone(),
        flags: settings.flags.clone(),
    };
    // An object that could still be named is in the snapshot, and its notes say what is the matter.
    let known = |origin: &crate::model::Origin, text: &str| {
        let mut unreadable = bundle.snapshot.objects().filter(|object| !object.notes.is_empty());
        unreadable.any(|object| object.origin.file == origin.file && text.contains(&*object.id.name))
    };
    let unread: Vec<_> = bundle
        .problems
        .iter()
        .filter(|problem| !known(&problem.origin, &problem.text))
        .map(|problem| (problem.origin.clone(), problem.text.clone()))
        .collect();
    Read::new(&bundle.snapshot, bundle.logs, &unread, &options).with_counters(bundle.counters)
}

pub(super) fn bundle(common: &Common) -> anyhow::Result<Bundle> {
    let request = request(common)?;
    bundle::objects(&request, given_format(common)?).and_then(|objects| objects.logs(None)).map_err(refused)
}

/// Reads the objects first, so that lines can be selected by them, and then the logs.
pub(super) fn read_watched(
    common: &Common,
    watch: impl FnOnce(&Read) -> anyhow::Result<Arc<dyn Watch>>,
) -> anyhow::Result<Read> {
    let request = request(common)?;
    let objects = bundle::objects(&request, given_format(common)?).map_err(refused)?;
    let (settings, mistakes) = settings();
    let mut read = prepare(common, &settings, objects.bundle().clone());
    let watch = watch(&read)?;
    let bundle = objects.logs(Some(&watch)).map_err(refused)?;
    for text in mistakes.into_iter().chain(messages(&bundle)) {
        message(&text);
    }
    read.logs = Arc::new(bundle.logs);
    Ok(read)
}

/// Reads everything, and groups all lines by fields on the way. Pods are named by the objects.
pub(super) fn read_grouped(common: &Common, fields: Vec<Field>) -> anyhow::Result<(Read, Option<ByFields>)> {
    let request = request(common)?;
    let mut objects = bundle::objects(&request, given_format(common)?).map_err(refused)?;
    let (settings, mistakes) = settings();
    let mut read = prepare(common, &settings, objects.bundle().clone());
    let mesh = Arc::clone(&read.mesh);
    objects.count_by(fields, Arc::new(move |pod| pod_path(&mesh, pod)));
    let mut bundle = objects.logs(None).map_err(refused)?;
    for text in mistakes.into_iter().chain(messages(&bundle)) {
        message(&text);
    }
    let by = bundle.logs.take_counted_by();
    read.logs = Arc::new(bundle.logs);
    Ok((read, by))
}

/// Reads the objects, and begins to follow the logs.
pub(super) fn follow(
    common: &Common,
    watch: impl FnOnce(&Read) -> anyhow::Result<Option<Arc<dyn Watch>>>,
) -> anyhow::Result<Following> {
    let request = request(common)?;
    let objects = bundle::objects_to_follow(&request, given_format(common)?).map_err(refused)?;
    let (settings, mistakes) = settings();
    let read = prepare(common, &settings, objects.bundle().clone());
    let watch = watch(&read)?;
    let (followed, stream) = objects.follow(watch.as_ref()).map_err(refused)?;
    Ok(Following { read, followed, stream, messages: mistakes })
}

/// Reads what the flags name, and keeps its logs to be followed and watched.
pub(super) fn bundle_with_tails(common: &Common, watch: &Arc<dyn Watch>) -> anyhow::Result<(Bundle, Tails)> {
    let request = request(common)?;
    let objects = bundle::objects(&request, given_format(common)?).map_err(refused)?;
    let (mut followed, stream) = objects.follow(Some(watch)).map_err(refused)?;
    if let Some(mut stream) = stream {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => followed.add(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(anyhow::Error::new(error).context("cannot read standard input")),
            }
        }
    }
    while followed.look(usize::MAX).more {}
    followed.end();
    followed.bundle.logs.set_watch(Some(Arc::clone(watch)));
    Ok((followed.bundle, followed.tails))
}

/// What is followed, and the mesh whose logs those are.
pub(super) struct Following {
    pub(super) read: Read,
    pub(super) followed: Followed,
    pub(super) stream: Option<Stream>,
    /// What is to be said of the settings.
    pub(super) messages: Vec<String>,
}

fn request(common: &Common) -> anyhow::Result<Request> {
    let mut request = Request::default();
    for name in &common.filename {
        if name == DEMO {
            request.paths.extend(demo::paths());
        } else {
            request.paths.push(Path::named(name));
        }
    }
    for log in &common.log {
        request.logs.push(log_flag(log)?);
    }
    if request.paths.is_empty() && request.logs.is_empty() {
        let text =
            "no source: name files with -f, or try `meshscope demo` (live clusters cannot be read yet)";
        return Err(Refusal::Usage(text.to_owned()).into());
    }
    let standard = request.paths.iter().filter(|path| **path == Path::Standard).count();
    if standard > 1 {
        return Err(Refusal::Usage("standard input can be named once only".to_owned()).into());
    }
    Ok(request)
}

/// The format that was named for lines of no other.
fn given_format(common: &Common) -> anyhow::Result<Option<OwnFormat>> {
    common.log_format.as_deref().map(log_format).transpose()
}

fn refused(error: Error) -> anyhow::Error {
    match error {
        Error::NothingRead { .. } => Refusal::Data(error.to_string()).into(),
        Error::Open { .. } => anyhow::Error::new(error),
    }
}

/// The compiled format. In a shell the line feed at its end is seldom typed as such.
fn log_format(text: &str) -> anyhow::Result<OwnFormat> {
    let usage = |error: &dyn std::fmt::Display| Refusal::Usage(format!("--log-format: {error}"));
    let text = text.strip_suffix("\\n").unwrap_or(text);
    let format = OwnFormat::compile(text, Strictness::Strict).map_err(|error| usage(&error))?;
    if !format.tells_lines() {
        let text = "any text fits it, so it tells no line: it needs a number, a time, flags or a protocol";
        return Err(usage(&text).into());
    }
    Ok(format)
}

/// `NS/POD[/CONTAINER]=PATH`.
fn log_flag(text: &str) -> anyhow::Result<(PathBuf, PodName)> {
    let usage = || Refusal::Usage(format!("--log {text}: expected NS/POD[/CONTAINER]=PATH"));
    let (pod, path) = text.split_once('=').with_context(usage)?;
    let parts: Vec<_> = pod.split('/').collect();
    let is_whole = !path.is_empty() && parts.iter().all(|part| !part.is_empty());
    match parts.as_slice() {
        [namespace, name] | [namespace, name, _] if is_whole => {
            Ok((path.into(), PodName { namespace: (*namespace).into(), name: (*name).into() }))
        }
        _ => Err(usage().into()),
    }
}

/// The indices of the pods that a name means.
pub(super) fn client(read: &Read, name: &str) -> anyhow::Result<Vec<usize>> {
    use crate::resolve::name::Named;
    if name.is_empty() {
        return Err(Refusal::Usage("the name of the client is empty".to_owned()).into());
    }
    match crate::resolve::name::workload(&read.mesh, name) {
        Named::One(pods) => Ok(pods),
        Named::Several(names) => {
            Err(Refusal::Usage(format!("{name} can be several workloads: {}", names.join(", "))).into())
        }
        Named::None(like) => {
            let is_service = matches!(crate::resolve::name::service(&read.mesh, name).0, Named::One(_));
            let hint = if is_service { format!("; the service is svc/{name}") } else { hint(&like) };
            let hint = not_read(read, &Kind::Pod, name).unwrap_or(hint);
            Err(Refusal::Usage(format!("no pod or workload is called {name}{hint}")).into())
        }
    }
}

/// Host and port that a name of a service means.
pub(super) fn service(read: &Read, name: &str) -> anyhow::Result<(String, Option<u16>)> {
    use crate::resolve::name::Named;
    if name.is_empty() {
        return Err(Refusal::Usage("the name of the service is empty".to_owned()).into());
    }
    let (named, port) = crate::resolve::name::service(&read.mesh, name);
    let service = match named {
        Named::One(service) => service,
        Named::Several(hosts) => {
            return Err(
                Refusal::Usage(format!("{name} can be several services: {}", hosts.join(", "))).into()
            );
        }
        Named::None(like) => {
            let hint = not_read(read, &Kind::Service, name).unwrap_or_else(|| hint(&like));
            return Err(Refusal::Usage(format!("no service is called {name}{hint}")).into());
        }
    };
    let Some(wanted) = port else { return Ok((service.host.to_string(), None)) };
    let Some(number) = crate::resolve::name::port(service, &wanted) else {
        let ports: Vec<_> = service.ports().iter().map(|port| port.number.to_string()).collect();
        let text = format!("{} has no port {wanted}, only {}", service.host, ports.join(", "));
        return Err(Refusal::Usage(text).into());
    };
    Ok((service.host.to_string(), Some(number)))
}

/// Where what may be meant is there and could not be read.
fn not_read(read: &Read, kind: &Kind, name: &str) -> Option<String> {
    let is_meant = |own: &str| name.split(['/', '.', ':']).any(|part| part == own);
    let objects = read.mesh.snapshot.of_kind(kind);
    let object =
        objects.filter(|object| object.body == Body::Unreadable).find(|one| is_meant(&one.id.name))?;
    let (id, origin) = (&object.id, &object.origin);
    Some(format!("; {} {} ({}:{}) could not be read", id.kind, id.path(), origin.file, origin.line))
}

/// Whether no object is called so, be it one that could not be read.
pub(super) fn is_unknown(read: &Read, name: &str) -> bool {
    use crate::resolve::name::{Named, service, workload};
    let (service, _) = service(&read.mesh, name);
    !name.is_empty()
        && matches!((workload(&read.mesh, name), service), (Named::None(_), Named::None(_)))
        && not_read(read, &Kind::Service, name).is_none()
        && not_read(read, &Kind::Pod, name).is_none()
}

fn hint(like: &[String]) -> String {
    if like.is_empty() { String::new() } else { format!("; there are {}", like.join(", ")) }
}

/// A pair, or one half of it.
#[derive(Debug, Args)]
pub(super) struct Names {
    /// The client: POD, POD.NS, NS/POD, KIND/NAME[.NS] (deploy/web.shop) [default: all]
    #[arg(value_name = "CLIENT")]
    client: Option<String>,
    /// The service: HOST, NAME, NAME.NS, NS/NAME, svc/NAME[.NS]; alone it is a full host, svc/… or has a :PORT
    /// [default: all]
    #[arg(value_name = "SERVICE[:PORT]")]
    service: Option<String>,
}

impl Names {
    /// The client's and the service's name.
    pub(super) fn of(&self, read: &Read) -> (Option<&String>, Option<&String>) {
        match (&self.client, &self.service) {
            (Some(one), None) if is_service(read, one) => (None, Some(one)),
            (client, service) => (client.as_ref(), service.as_ref()),
        }
    }
}

/// A single name is the service when it is a full host, `svc/…` or has a port, else the client, as istioctl had it.
fn is_service(read: &Read, name: &str) -> bool {
    let port = name.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
    name.starts_with("svc/")
        || name.starts_with("service/")
        || port
        || read.mesh.registry.by_host(name).is_some()
        || name.ends_with(".svc.cluster.local")
}
