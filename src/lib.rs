//! meshscope: what Istio policy does to the workloads of a cluster, and the proved cause of a failing request.

pub mod answer;
pub mod app;
pub mod bundle;
pub mod diagnose;
pub mod logs;
pub mod model;
pub mod resolve;
pub mod text;
pub mod ui;
