/*
 * The release of etcd whose behaviour this member keeps. Clients read it to decide which features they may use.
 */
export const etcdVersion = "3.6.14";
export const clusterVersion = "3.6.0";
