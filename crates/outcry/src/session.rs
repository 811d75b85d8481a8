//! A signed-in connection from the command line to a running platform.

use std::path::Path;

use anyhow::Context as _;
use outcry_contracts::users::v1::LoginRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::arguments::Target;
use crate::config::Config;
use crate::failure::{Away, Usage};
use crate::folder::Folder;
use crate::patience::Patient;
use crate::site::Site;

/// A transport for generated clients that signs every call.
pub type SignedChannel = InterceptedService<Patient, Bearer>;

/// Adds the access token to every call.
#[derive(Clone)]
pub struct Bearer {
    header: MetadataValue<Ascii>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = self.header.clone();
        request.metadata_mut().insert("authorization", header);
        Ok(request)
    }
}

/// Signs in on a connection.
///
/// # Errors
/// The platform refuses the credentials.
pub async fn sign_in(
    channel: Channel,
    email: &str,
    password: &str,
) -> anyhow::Result<SignedChannel> {
    let request = LoginRequest {
        email: email.to_owned(),
        password: password.to_owned(),
    };
    let reply = UserServiceClient::new(Patient::new(channel.clone()))
        .login(request)
        .await
        .with_context(|| format!("signing in as {email}"))?
        .into_inner();
    let token = reply.tokens.context("the sign-in gave no token")?;
    let header = format!("Bearer {}", token.access_token)
        .parse()
        .context("the access token cannot be sent as a header")?;
    Ok(InterceptedService::new(
        Patient::new(channel),
        Bearer { header },
    ))
}

/// Connects to the platform the arguments name and signs in.
///
/// # Errors
/// No platform is named or running, or the credentials are missing or refused.
pub async fn open(target: &Target) -> anyhow::Result<SignedChannel> {
    let (_, channel) = open_with_site(target).await?;
    Ok(channel)
}

/// The same, with the platform's site.
///
/// # Errors
/// As [`open`].
pub async fn open_with_site(target: &Target) -> anyhow::Result<(Site, SignedChannel)> {
    let site = site(target)?;
    let (email, password) = credentials(target)?;
    let channel = sign_in(site.connect().await?, &email, &password).await?;
    Ok((site, channel))
}

/// The platform that the arguments name, nobody signed in.
///
/// # Errors
/// None is named or running.
pub fn site(target: &Target) -> anyhow::Result<Site> {
    let authorities: Vec<_> = target.ca.iter().cloned().collect();
    Site::new(&address(target)?, &authorities)
}

fn address(target: &Target) -> anyhow::Result<String> {
    match &target.address {
        Some(address) => Ok(address.clone()),
        None => running_at(&Folder::at(&Config::load(&target.settings)?.data)),
    }
}

/// E-mail and password: from the arguments, else from the data folder.
fn credentials(target: &Target) -> anyhow::Result<(String, String)> {
    if let (Some(email), Some(password)) = (&target.email, &target.password) {
        return Ok((email.clone(), password.clone()));
    }
    let folder = Folder::at(&Config::load(&target.settings)?.data);
    let admin = folder.administrator()?.ok_or_else(|| {
        Usage::new(format!(
            "no administrator is known in {}; give --email and OUTCRY_PASSWORD, or --data with \
             the folder the platform runs in",
            folder.path().display()
        ))
    })?;
    Ok((admin.email, admin.password))
}

fn running_at(folder: &Folder) -> anyhow::Result<String> {
    if let Some(address) = folder.address()? {
        return Ok(address);
    }
    let path: &Path = folder.path();
    Err(Away::new(format!(
        "no platform is running in {}; start one with `outcry up --data {}`, or name one with \
         --address",
        path.display(),
        path.display()
    ))
    .into())
}
