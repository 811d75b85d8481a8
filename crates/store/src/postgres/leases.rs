//! Who holds which slots.

use tokio_postgres::Row;

use super::events::column;
use super::failure::corrupt;
use super::session::Params;
use super::source::Source;
use super::text::{self, stored};
use crate::error::StoreError;
use crate::lease::{Lease, LeaseRequest, Member, Share};
use crate::limits::LEASE_TTL;

#[derive(Debug)]
pub(super) struct Leases {
    lease: String,
    leave: String,
    pub(super) holder: String,
}

// === impl Leases ===

impl Leases {
    pub(super) fn of(schema: &str) -> Self {
        let sql = |text: &str| text.replace('@', schema);
        Self {
            lease: sql("SELECT held, epochs, surplus, freed
                 FROM @.lease_1($1, $2, $3, $4, $5, $6, $7)"),
            leave: sql("SELECT @.leave_1($1)"),
            holder: sql("SELECT m.member, m.address
                 FROM @.slots s JOIN @.members m ON m.pool = s.pool AND m.member = s.holder
                 WHERE s.pool = $1 AND s.slot = $2 AND m.until > clock_timestamp()"),
        }
    }

    /// The member's shares, and whether slots have become free.
    pub(super) async fn lease(
        &self,
        source: &Source,
        request: &LeaseRequest,
    ) -> Result<(Vec<Share>, bool), StoreError> {
        let pools: Vec<_> = request
            .pools
            .iter()
            .map(|asked| stored(&asked.pool))
            .collect();
        let slots: Vec<_> = request
            .pools
            .iter()
            .map(|asked| slot(asked.slots))
            .collect();
        let mut back_places = Vec::new();
        let mut back_slots = Vec::new();
        for (number, asked) in (1_i32..).zip(&request.pools) {
            for given in &asked.give_back {
                back_places.push(number);
                back_slots.push(slot(*given));
            }
        }
        let ttl = i64::try_from(LEASE_TTL.as_millis()).unwrap_or(i64::MAX);
        let params: Params<'_> = &[
            &stored(&request.member.id),
            &stored(&request.member.address),
            &ttl,
            &pools,
            &slots,
            &back_places,
            &back_slots,
        ];
        // A lost answer does no harm: what was got is held, and comes with the next one.
        let rows = source.database()?.query(&self.lease, params).await?;
        if rows.len() != request.pools.len() {
            return Err(corrupt("a lease", "there is not one share for each pool"));
        }
        let mut freed = false;
        let shares = rows.iter().zip(&request.pools).map(|(row, asked)| {
            freed |= column::<bool>(row, 3)?;
            share(row, &asked.pool)
        });
        let shares = shares.collect::<Result<_, _>>()?;
        Ok((shares, freed))
    }

    pub(super) async fn leave(&self, source: &Source, member: &str) -> Result<(), StoreError> {
        let params: Params<'_> = &[&stored(member)];
        source.database()?.query(&self.leave, params).await?;
        Ok(())
    }

    pub(super) async fn holder(
        &self,
        source: &Source,
        pool: &str,
        number: u32,
    ) -> Result<Option<Member>, StoreError> {
        let params: Params<'_> = &[&stored(pool), &slot(number)];
        let rows = source.query(&self.holder, params).await?;
        rows.first()
            .map(|row| {
                Ok(Member {
                    id: text::read(column(row, 0)?),
                    address: text::read(column(row, 1)?),
                })
            })
            .transpose()
    }
}

fn share(row: &Row, pool: &str) -> Result<Share, StoreError> {
    let slots: Vec<i32> = column(row, 0)?;
    let epochs: Vec<i64> = column(row, 1)?;
    let surplus: i32 = column(row, 2)?;
    Ok(Share {
        pool: pool.to_owned(),
        held: slots
            .into_iter()
            .zip(epochs)
            .map(|(slot, epoch)| Lease {
                pool: pool.to_owned(),
                slot: slot.unsigned_abs(),
                epoch: epoch.unsigned_abs(),
            })
            .collect(),
        surplus: surplus.unsigned_abs(),
    })
}

/// A slot as the database has numbers; no pool has so many that it does not fit.
fn slot(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
