//! Disks that are full, and files that are somebody else's.

use crate::harness::bench_of_today;

#[test]
fn where_labctls_own_directory_is_full_the_nodes_words_are_told_and_nothing_is_left() {
    let Some(bench) = bench_of_today() else { return };
    let node = &bench.nodes[0];
    let files = bench.lab("files");
    node.root("mkdir /var/lib/labctl && mount -t tmpfs -o size=4k,mode=700 tmpfs /var/lib/labctl && head -c 4096 /dev/zero >/var/lib/labctl/.full");
    let run = bench.labctl(&["run", &files, "--only", "overwrite"]);
    run.assert_exit(3).assert_says(&["node-0", "no space left on device"]);
    node.root("! test -e /etc/labctl-test.conf");
    node.root("umount /var/lib/labctl && rmdir /var/lib/labctl");
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_file_that_cannot_be_kept_first_is_not_changed() {
    let Some(mut bench) = bench_of_today() else { return };
    let node = bench.nodes[0].clone();
    let files = bench.lab("files");
    node.root("head -c 300000 /dev/urandom >/etc/labctl-test.conf");
    bench.take_snapshot();
    node.root("mkdir /var/lib/labctl && mount -t tmpfs -o size=200k,mode=700 tmpfs /var/lib/labctl");
    let run = bench.labctl(&["run", &files, "--only", "overwrite"]);
    run.assert_exit(3)
        .assert_says(&["/etc/labctl-test.conf", "no space left on device"]);
    run.assert_says(&[&format!("labctl run {files} --from overwrite")]);
    bench.labctl(&["cleanup"]).assert_exit(0);
    node.root("umount /var/lib/labctl && rmdir /var/lib/labctl");
    bench.assert_nodes_as_before();
    node.root("rm /etc/labctl-test.conf");
}

#[test]
fn a_command_that_finds_the_disk_full_is_undone() {
    let Some(mut bench) = bench_of_today() else { return };
    let node = bench.nodes[0].clone();
    let files = bench.lab("files");
    node.root("sudo -u ubuntu mkdir /home/ubuntu/labctl-small && mount -t tmpfs -o size=16k,uid=$(id -u ubuntu) tmpfs /home/ubuntu/labctl-small");
    bench.take_snapshot();
    bench
        .labctl(&["run", &files, "--only", "small"])
        .assert_exit(1)
        .assert_says(&["No space left on device"]);
    bench.clean_up_to_the_snapshot();
    bench
        .labctl(&["run", &files, "--only", "small-write"])
        .assert_exit(3)
        .assert_says(&["labctl-small/written", "no space left on device"]);
    bench.clean_up_to_the_snapshot();
    node.root("umount /home/ubuntu/labctl-small && rmdir /home/ubuntu/labctl-small");
}

#[test]
fn a_file_is_put_back_with_its_mode_owner_and_time() {
    let Some(mut bench) = bench_of_today() else { return };
    let node = bench.nodes[0].clone();
    let files = bench.lab("files");
    node.root(
        "for f in conf list; do echo original >/etc/labctl-test.$f; chown daemon:mail /etc/labctl-test.$f; \
         chmod 2641 /etc/labctl-test.$f; touch -d '2015-11-06 19:24:40.123' /etc/labctl-test.$f; done",
    );
    bench.take_snapshot();
    bench.labctl(&["run", &files, "--only", "overwrite"]).assert_exit(0);
    assert_eq!(node.root("cat /etc/labctl-test.conf"), "the lab's");
    assert_eq!(
        node.root("stat -c '%U:%G %a' /etc/labctl-test.conf"),
        "daemon:mail 2641"
    );
    bench.labctl(&["run", &files, "--only", "overwrite"]).assert_exit(0);
    bench.clean_up_to_the_snapshot();
    node.root("rm /etc/labctl-test.*");
}

#[test]
fn a_file_that_somebody_changed_since_is_left_alone_and_named() {
    let Some(mut bench) = bench_of_today() else { return };
    let node = bench.nodes[0].clone();
    let files = bench.lab("files");
    node.root("for f in conf list; do echo original >/etc/labctl-test.$f; done");
    bench.take_snapshot();
    bench.labctl(&["run", &files, "--only", "overwrite"]).assert_exit(0);
    node.root("echo somebody else >>/etc/labctl-test.conf");
    for _ in 0..2 {
        let cleanup = bench.labctl(&["cleanup"]);
        cleanup
            .assert_exit(4)
            .assert_says(&["/etc/labctl-test.conf", "node-0", "labctl cleanup"]);
        assert_eq!(node.root("cat /etc/labctl-test.conf"), "the lab's\nsomebody else");
        assert_eq!(
            node.root("cat /etc/labctl-test.list"),
            "original",
            "the rest was put back"
        );
    }
    node.root("mv /etc/labctl-test.conf /root/labctl-theirs");
    bench.labctl(&["cleanup"]).assert_exit(0);
    node.root("rm /root/labctl-theirs");
    bench.assert_nodes_as_before();
    node.root("rm /etc/labctl-test.*");
}
