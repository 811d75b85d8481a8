//! A writer for tests.

use outcry_events::Cause;
use tokio::sync::oneshot;

use super::*;
use crate::desk::Ask;

/// A desk whose writer is driven by hand.
pub(in crate::desk) struct Bench {
    writer: Writer,
}

pub(in crate::desk) async fn testing(ctx: &Context, market: Market, fence: Fence) -> Bench {
    let news = watch::Sender::new(());
    let (_, writer) = open(ctx, market, fence, news).await.unwrap();
    Bench { writer }
}

impl Bench {
    pub(in crate::desk) fn desk(&self) -> &Desk {
        &self.writer.desk
    }

    /// Carries all of these out together.
    pub(in crate::desk) async fn carry_out_all(
        &mut self,
        asks: impl IntoIterator<Item = (Ask, Cause)>,
    ) -> Vec<Answer> {
        let (jobs, answers): (VecDeque<_>, Vec<_>) = asks.into_iter().map(job).unzip();
        let carried = self.writer.carry_out(jobs, &CancellationToken::new()).await;
        assert_eq!(carried, Carried::Out);
        let mut all = Vec::new();
        for answer in answers {
            all.push(answer.await.unwrap());
        }
        all
    }

    /// Makes the first commit of a request, and no more.
    pub(in crate::desk) async fn begin(&mut self, ask: (Ask, Cause)) {
        let mut batch = Batch::default();
        let (job, _) = job(ask);
        let mut pen = pen(&self.writer.ctx, self.writer.now, &mut batch);
        let told = Told::default();
        let carried = self
            .writer
            .desk
            .carry_out(&job.ask, &job.cause, told, &mut pen);
        carried.unwrap().unwrap();
        let sealed = self.writer.desk.seal(self.writer.now, &mut batch).unwrap();
        let mut commit = sealed.unwrap();
        commit.fence = Some(self.writer.fence.clone());
        self.writer.ctx.store.commit(commit).await.unwrap();
    }
}

fn job((ask, cause): (Ask, Cause)) -> (Job, oneshot::Receiver<Answer>) {
    let (answer, answered) = oneshot::channel();
    (Job { ask, cause, answer }, answered)
}
