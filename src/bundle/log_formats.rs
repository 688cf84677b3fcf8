//! The formats of access logs that the objects name, and which of them something chooses.
//!
//! Which proxy has which is not told apart: a line is of one of them, and where two could have written it and would
//! mean different things by it, it is not read.

use std::collections::HashSet;

use crate::logs::{Formats, JsonFormat, LogFormat, Missing, OwnFormat, Strictness};
use crate::model::access_log::{AccessLogFormat, formats_of_filter, providers_of_telemetry};
use crate::model::{Kind, Snapshot};

/// The formats of all objects. One that cannot be understood is left alone: its lines are counted as other.
pub(super) fn of_objects(snapshot: &Snapshot, given: Option<OwnFormat>) -> Formats {
    let meshes = || {
        let maps = snapshot.of_kind(&Kind::ConfigMap);
        maps.filter_map(|object| Some(&object.body.mesh_config()?.access_logs))
    };
    let telemetries = snapshot.of_kind(&Kind::OtherMesh("Telemetry".into()));
    let telemetries: Vec<_> = telemetries.filter_map(|object| object.json.as_deref()).collect();
    let mut chosen: HashSet<&str> = telemetries.into_iter().flat_map(providers_of_telemetry).collect();
    chosen.extend(meshes().flat_map(|logs| &logs.default_providers).map(String::as_str));

    let mut found = Vec::new();
    for logs in meshes() {
        found.extend(logs.format.as_ref().and_then(compile).map(|format| (format, true)));
        for provider in &logs.providers {
            let is_chosen = chosen.contains(provider.name.as_str());
            found.extend(compile(&provider.format).map(|format| (format, is_chosen)));
        }
    }
    for filter in snapshot.of_kind(&Kind::EnvoyFilter).filter_map(|object| object.json.as_deref()) {
        found.extend(formats_of_filter(filter).iter().filter_map(compile).map(|format| (format, true)));
    }
    Formats::new(found, given)
}

fn compile(written: &AccessLogFormat) -> Option<OwnFormat> {
    let missing = if written.omits_empty { Missing::Nothing } else { Missing::Dash };
    match written.format.as_str() {
        Some(text) => LogFormat::compile_with(text, Strictness::Lenient, missing).ok().map(OwnFormat::Text),
        None => JsonFormat::of(&written.format, Strictness::Lenient, missing).ok().map(OwnFormat::Object),
    }
}
