//! The ten services, made and listed: the only place that knows them all.

/// Consumer groups with their topic patterns.
pub fn consumers() -> Vec<(&'static str, &'static [&'static str])> {
    Vec::new()
}
