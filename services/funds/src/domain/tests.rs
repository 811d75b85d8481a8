//! Custody under any order of arrival: invariants I2 to I7, and rebuilding.

mod desk;
mod given;
mod money;
mod properties;
