//! What the driver asks for on the command line.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::Failure;

/// The values of `--key value …`.
pub struct Options(HashMap<String, String>);

impl Options {
    /// The job's name and its options.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<(String, Self), Failure> {
        let job = arguments.next().ok_or("name a job first")?;
        let mut values = HashMap::new();
        while let Some(argument) = arguments.next() {
            let key = argument
                .strip_prefix("--")
                .ok_or_else(|| format!("{argument} should be an option, --key value"))?;
            let value = arguments
                .next()
                .ok_or_else(|| format!("--{key} needs a value"))?;
            values.insert(key.to_owned(), value);
        }
        Ok((job, Self(values)))
    }

    pub fn text(&self, key: &str) -> Result<&str, Failure> {
        let value = self
            .0
            .get(key)
            .ok_or_else(|| format!("--{key} is missing"))?;
        Ok(value)
    }

    pub fn number<N>(&self, key: &str) -> Result<N, Failure>
    where
        N: FromStr,
        N::Err: Display,
    {
        parse(key, self.text(key)?)
    }

    pub fn number_or<N>(&self, key: &str, default: N) -> Result<N, Failure>
    where
        N: FromStr,
        N::Err: Display,
    {
        self.0.get(key).map_or(Ok(default), |text| parse(key, text))
    }
}

fn parse<N>(key: &str, text: &str) -> Result<N, Failure>
where
    N: FromStr,
    N::Err: Display,
{
    text.parse()
        .map_err(|error| format!("--{key} {text}: {error}").into())
}
