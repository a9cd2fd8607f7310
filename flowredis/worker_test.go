package flowredis

const workerEnv = "FLOWGUARD_WORKER"

func runWorker() {}
