//! Controllers of pods: who made a pod, and the pods that a template will make.

use super::labels::Labels;
use super::pod::{Controller, Pod};

/// What a controller says that can change an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Workload {
    /// Its own controller (a `ReplicaSet`'s `Deployment`, a `Job`'s `CronJob`).
    pub controller: Option<Controller>,
    /// The pod it would make, where it has a template.
    pub template: Option<PodTemplate>,
    /// The control plane's version and flags, where this is istiod (its container `discovery`).
    pub istiod: Option<Istiod>,
}

/// A pod template.
#[derive(Debug, Clone, PartialEq)]
pub struct PodTemplate {
    /// Labels of the pods.
    pub labels: Labels,
    /// Annotations that can change an answer.
    pub annotations: Labels,
    /// The pod, without addresses.
    pub pod: Pod,
}

/// What the container `discovery` tells of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Istiod {
    /// The image's tag, where it is a version.
    pub version: Option<String>,
    /// Its environment, literal values only.
    pub environment: Vec<(String, String)>,
    /// The variables of its environment that get their value from elsewhere (`valueFrom`), so that it is not known.
    pub elsewhere: Vec<String>,
}
