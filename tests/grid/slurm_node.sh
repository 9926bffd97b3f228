#!/bin/bash
# A Slurm cluster of one node with two slots, in a folder, on this machine; for tests.
#   slurm_node.sh start FOLDER    prints the settings that clients need, one NAME=VALUE a line
#   slurm_node.sh stop FOLDER
# Needs root (slurmd does), and slurm-wlm and munge from Debian. Says why on stderr where it cannot.
set -euo pipefail
VERB=$1 FOLDER=$(realpath -m "$2")
export PATH=$PATH:/usr/sbin:/sbin
PORT=${PORT:-$((20000 + RANDOM % 20000))}

stop() {
  for NAME in slurmd slurmctld munged; do
    if [ -f "$FOLDER/$NAME.pid" ]; then kill "$(cat "$FOLDER/$NAME.pid")" 2>/dev/null || true; fi
  done
}

if [ "$VERB" = stop ]; then stop; exit 0; fi

[ "$(id -u)" = 0 ] || { echo "slurmd needs root" >&2; exit 3; }
for NAME in munged slurmctld slurmd sbatch srun squeue scontrol; do
  command -v $NAME >/dev/null || { echo "$NAME is not installed (slurm-wlm, munge)" >&2; exit 3; }
done
mkdir -p "$FOLDER"/{state,spool,munge}
HOST=$(hostname -s)
# munged refuses keys and sockets in folders that others can write to, which /tmp is.
dd if=/dev/urandom of="$FOLDER/munge/key" bs=128 count=1 2>/dev/null
chmod 700 "$FOLDER/munge" && chmod 400 "$FOLDER/munge/key"
munged --force --key-file="$FOLDER/munge/key" --socket="$FOLDER/munge/socket" \
  --pid-file="$FOLDER/munged.pid" --log-file="$FOLDER/munged.log" --seed-file="$FOLDER/munge/seed" \
  || { echo "munged: $(tail -n 1 "$FOLDER/munged.log")" >&2; exit 3; }
chmod 755 "$FOLDER/munge"

cat > "$FOLDER/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$FOLDER/munge/socket
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
JobRequeue=1
ReturnToService=2
MinJobAge=300
SchedulerParameters=sched_interval=2,batch_sched_delay=1
SlurmdParameters=config_overrides
KillWait=1
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$FOLDER/slurm.conf"
slurmctld -c || { echo "slurmctld: $(tail -n 1 "$FOLDER/slurmctld.log" 2>/dev/null)" >&2; stop; exit 3; }
slurmd -c || { echo "slurmd: $(tail -n 1 "$FOLDER/slurmd.log" 2>/dev/null)" >&2; stop; exit 3; }
for _ in $(seq 60); do
  if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
    echo "SLURM_CONF=$FOLDER/slurm.conf"
    exit 0
  fi
  sleep 0.5
done
echo "the node does not become idle: $(tail -n 1 "$FOLDER/slurmd.log" 2>/dev/null)" >&2
stop
exit 3
