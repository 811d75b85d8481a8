// One colour for each service, the same in all views.

/** The platform's services; the colours are in the style sheet. */
const SERVICES = [
  "users",
  "funds",
  "orders",
  "trades",
  "payments",
  "portfolio",
  "notifications",
  "reports",
  "ledger",
  "gateway",
];

/** The class of a service's colour. */
export function tint(service) {
  const at = SERVICES.indexOf(service);
  return `tint-${at < 0 ? SERVICES.length : at}`;
}
