// How the platform stands, worked out of the picture that StatusService.WatchStatus gives.

import { count, span } from "./words.js";

/** Events that wait behind a consumer before somebody should know: some seconds of a busy platform. */
const LAG_MUCH = 1000;

/** How old an event may be that waits to be published, in milliseconds. */
const UNSENT_LONG = 10_000;

/** How near the end of a certificate may be before somebody should know, in milliseconds. */
const CERTIFICATE_SOON = 3 * 24 * 3600 * 1000;

/** Retries that are left when failures are handed on instead. */
const BUDGET_GONE = 1;

/** What replicas are, as people read it, with the tone of it. */
const STATES = {
  REPLICA_STATE_READY: ["ready", "good"],
  REPLICA_STATE_NOT_READY: ["not ready", "warn"],
  REPLICA_STATE_SILENT: ["silent", "bad"],
};

/** The state of a replica in a word, and its tone. */
export function stateOf({ state }) {
  return STATES[state] ?? ["unknown", "dim"];
}

/** Every replica with its service. */
export function replicas({ services = [] }) {
  return services.flatMap(({ service, replicas = [] }) =>
    replicas.map((replica) => ({ service, ...replica })),
  );
}

/** Every consumer group with its service. */
export function groups({ services = [] }) {
  return services.flatMap(({ service, groups = [] }) =>
    groups.map((group) => ({ service, ...group })),
  );
}

/** Every class of calls with its service; those nobody calls at the moment come, too. */
export function calls({ services = [] }) {
  return services.flatMap(({ service, calls = [] }) => calls.map((one) => ({ service, ...one })));
}

/**
 * What somebody should look at: `{ tone, text }`, the worst first.
 *
 * @param now milliseconds since 1970
 */
export function concerns(picture, now) {
  const bad = [];
  const warn = [];
  for (const replica of replicas(picture)) {
    const where = replica.address ? ` at ${replica.address}` : "";
    const [word, tone] = stateOf(replica);
    if (tone === "bad") bad.push(`${replica.service}${where} does not answer: ${replica.problem}`);
    else if (tone !== "good") warn.push(`${replica.service}${where} is ${word}`);
    warn.push(...ofProcess(replica, where, now));
  }
  for (const { service, oldestUnsentMs = "0", publishFailuresPerSecond = 0 } of picture.services ??
    []) {
    if (Number(oldestUnsentMs) > UNSENT_LONG)
      bad.push(
        `an event of ${service} has waited ${span(Number(oldestUnsentMs) * 1000)} to be published`,
      );
    if (publishFailuresPerSecond > 0) warn.push(`the broker does not take events of ${service}`);
  }
  for (const { group, lag = "0", parkedKeys = "0" } of groups(picture)) {
    if (parkedKeys !== "0") bad.push(`${group} has parked keys: see the dead letters`);
    if (Number(lag) > LAG_MUCH) warn.push(`${count(lag)} events wait for ${group}`);
  }
  const once = (texts, tone) => [...new Set(texts)].map((text) => ({ tone, text }));
  return [...once(bad, "bad"), ...once(warn, "warn")];
}

/** What is wrong with the process of a replica. */
function ofProcess({ service, retryBudgets = [], certificate }, where, now) {
  const found = [];
  for (const { target, left = 0 } of retryBudgets) {
    if (left < BUDGET_GONE) found.push(`${service}${where} has no retries left for ${target}`);
  }
  if (certificate?.reloadFailing)
    found.push(`the new certificate of ${service}${where} cannot be used`);
  if (certificate?.notAfter && Date.parse(certificate.notAfter) - now < CERTIFICATE_SOON)
    found.push(`the certificate of ${service}${where} ends soon: ${certificate.notAfter}`);
  return found;
}

/**
 * What publishers and consumer groups do, by their names: `text`, and as `state` whether it is "late"
 * (much waits), "stuck" (something is parked, or waits to be published for long) or neither.
 */
export function flows(picture) {
  const publishers = new Map();
  for (const {
    service,
    publishedPerSecond,
    unsentEvents = "0",
    oldestUnsentMs = "0",
  } of picture.services ?? []) {
    const state = Number(oldestUnsentMs) > UNSENT_LONG ? "stuck" : "";
    const waiting = state && unsentEvents !== "0" ? ` · ${count(unsentEvents)} wait` : "";
    publishers.set(service, { text: `${rate(publishedPerSecond)}/s${waiting}`, state });
  }
  const consumers = new Map();
  for (const { group, handledPerSecond, lag = "0", parkedKeys = "0" } of groups(picture)) {
    const parts = [`${rate(handledPerSecond)}/s`];
    if (lag !== "0") parts.push(`${count(lag)} wait`);
    if (parkedKeys !== "0") parts.push(`${count(parkedKeys)} parked`);
    const state = parkedKeys !== "0" ? "stuck" : Number(lag) > LAG_MUCH ? "late" : "";
    consumers.set(group, { text: parts.join(" · "), state });
  }
  return { publishers, consumers };
}

/** A rate as it is read: whole numbers where tenths say nothing. */
export function rate(perSecond = 0) {
  if (perSecond === 0) return "0";
  return perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

/** A percentile: the bound that so many calls kept, or nothing before any was made. */
export function percentile(micros = "0") {
  return micros === "0" ? "–" : `≤ ${span(Number(micros))}`;
}
