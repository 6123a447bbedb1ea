/*
 * The release of etcd whose behaviour this member keeps. Clients read it to decide which features they may use.
 */
export const etcdVersion = "3.6.14";
/** The release whose form the backend's content has. */
export const storageVersion = "3.6.0";
